"""Documents of plain text: where one ends and the next begins."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from ftkit.data.columns import collected, column, find
from ftkit.data.problems import Problems
from ftkit.data.readers import Table
from ftkit.errors import ConfigError
from ftkit.types import Row, Split

Documents = Literal["line", "blank_line", "file"]
"""What a document is in a file of plain text: a line, what stands between blank lines, or the whole file."""


def document_rows(table: Table, documents: Documents | None) -> Iterator[Row]:
    """Yields a row for each document. Blank lines are none; rows of tables are documents as they are.

    Example: the lines `One`, `day`, an empty one and `Two` are three documents by `line`; two by `blank_line`, of
    which the first is `One day` in two lines; and one of four lines by `file`.

    Args:
        documents: of a file of plain text; None for a line.

    Raises:
        ConfigError: it is said of a table.
    """
    if not table.is_lines:
        if documents is not None:
            raise ConfigError(
                f"data.documents: {documents}: the rows of {table.source} are documents already; the key is for files "
                "of plain text (.txt). Leave it out."
            )
        return iter(table.rows)
    if documents == "file":
        return iter([_joined(list(table.rows))])
    if documents == "blank_line":
        return _between_blank_lines(table.rows)
    return (row for row in table.rows if not _is_blank(row))


def _between_blank_lines(rows: Iterable[Row]) -> Iterator[Row]:
    for is_blank, lines in itertools.groupby(rows, key=_is_blank):
        if not is_blank:
            yield _joined(list(lines))


def _is_blank(row: Row) -> bool:
    return not row.values["text"].strip()


def _joined(lines: list[Row]) -> Row:
    return Row({**lines[0].values, "text": "\n".join(line.values["text"] for line in lines)}, lines[0].line)


def check_documents(split: Split, documents: Documents | None, problems: Problems) -> None:
    """Warns where lines look like parts of documents: most have neighbours, and blank lines stand between groups.

    Args:
        documents: as the config says it.
    """
    if documents is not None or len(split) < 2 or not split.source.endswith(".txt"):
        return
    lines = np.fromiter(column(split.examples, "line"), np.int64, len(split))
    ends = np.flatnonzero(np.diff(lines) != 1)
    sizes = np.diff([-1, *ends, len(lines) - 1])
    if len(sizes) > 1 and np.median(sizes) > 1:
        problems.warn(
            f"{split.name}: each of its {len(lines):,} lines is read as a document of its own, but blank lines part "
            f"them into {len(sizes):,} groups of lines",
            where=split.source,
            remedy="if these are the documents: data.documents: blank_line",
        )


def without_empty(split: Split, problems: Problems) -> Split:
    """Returns a split without documents that hold no text, and warns of them: there is nothing in them to learn."""
    empty = next(find(split.examples, "text", _is_empty), None)
    if empty is None:
        return split
    kept = collected(split.examples, (example for example in split.examples if not _is_empty(example.text)))
    problems.warn(
        f"{split.name}: {len(split) - len(kept):,} of {len(split):,} rows hold no text and are left out",
        where=split.where(empty),
    )
    return dataclasses.replace(split, examples=kept)


def _is_empty(text: str) -> bool:
    return not text.strip()
