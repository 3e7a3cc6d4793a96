"""Reads txt: one text a line, in a column named `text`, with fastText's labels in a column named `label`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.errors import DataError
from ftkit.types import Row

LABEL_PREFIX = "__label__"
_LABELS = re.compile(rf"\s*((?:{LABEL_PREFIX}\S+(?:\s+|$))+)")


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file of one text a line.

    A blank line between texts is a row with an empty text, so that row N stays line N and nothing
    shifts; blank lines at the end of the file are not rows.

    A file whose first text begins with `__label__` is one of fastText: the labels before a text are its label, or a
    list of them; `__label__refund __label__late where is it` is `where is it`, labelled `[refund, late]`.

    Raises:
        DataError: no line has text, or a label of fastText stands where it is none.
    """

    def rows() -> Iterator[Row]:
        blank: list[Row] = []
        is_labelled: bool | None = None  # until a line has text
        for number, line in enumerate(read_lines(path, options), 1):
            text = without_line_end(line)
            if is_labelled is None and text.strip():
                is_labelled = text.lstrip().startswith(LABEL_PREFIX)
            blank.append(Row(_values(path, number, text, is_labelled), number))
            if text.strip():
                yield from blank
                blank.clear()

    table = Table(str(path), (), RowStream(rows), is_lines=True)
    texts = (row for row in table.rows if any(row.values.values()))
    first = first_row(table.source, texts, empty="it has no line with text")
    return replace(table, columns=tuple(first.values))


def _values(path: Path, line: int, text: str, is_labelled: bool | None) -> dict[str, Any]:
    """Returns the text of a line, and its labels in a file of fastText; a line there without labels has none."""
    match = _LABELS.match(text)
    if not is_labelled:
        if match is not None:
            raise DataError(
                f"{path}, line {line}: the line begins with {match[1].split()[0]!r}, as those of fastText do, but the "
                "first line does not.\nFix: write the labels of the first line before its text."
            )
        return {"text": text}
    rest = text if match is None else text[match.end() :]
    if any(word.startswith(LABEL_PREFIX) for word in rest.split()):
        raise DataError(
            f"{path}, line {line}: a label stands behind the text, where fastText reads it as a label too: "
            f"{rest[-80:]!r}.\nFix: write all labels of a line before its text."
        )
    labels = [] if match is None else [word.removeprefix(LABEL_PREFIX) for word in match[1].split()]
    return {"text": rest, "label": labels[0] if len(labels) == 1 else labels or None}
