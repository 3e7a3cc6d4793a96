"""What every reader returns: named columns and a stream of rows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ftkit.errors import DataError, closest_name, did_you_mean, name_list
from ftkit.types import Row


@dataclass(frozen=True)
class ReadOptions:
    """How to read text files.

    Attributes:
        encoding: a Python codec name; a UTF-8 byte order mark is accepted and dropped.
        delimiter: cell separator of csv and tsv files; None takes the format's own.
        header: whether the first row of csv, tsv and xlsx files names the columns.
        text_extensions: extensions of files with one text a line beside `.txt`, such as `.de`.
        media: what the rows' files hold, `image` or `audio`, where rows are files: then a folder of them is read too.
        annotated: whether boxes are read, too: then folders and lists may be those of a layout; see `layouts`.
        outlined: whether rows are images with masks, which COCO's JSON may hold as outlines; see `coco_masks`.
        streams: whether rows are read while they are used: what has no place of its own is held then, and not kept.
        on_unreadable: is told of rows that cannot be read, which are then left out, where a format lets its reader go
            on behind them; None: they are errors.
        paired_folders: column -> names that a folder of such files may have beside another one, where a row is a pair
            of files: of images and of their masks. Empty: a row is one file.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    header: bool = True
    text_extensions: tuple[str, ...] = ()
    media: str | None = None
    annotated: bool = False
    outlined: bool = False
    paired_folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    streams: bool = False
    on_unreadable: Callable[[DataError], None] | None = None

    def refuse(self, error: DataError) -> None:
        """Raises an error of one row, or tells it where such rows are left out."""
        if self.on_unreadable is None:
            raise error from None
        self.on_unreadable(error)


@dataclass(frozen=True)
class RowStream:
    """Rows that are read again from the source each time they are iterated, so none need stay in memory."""

    start: Callable[[], Iterator[Row]]

    def __iter__(self) -> Iterator[Row]:
        return self.start()


@dataclass(frozen=True)
class Table:
    """The rows of one file or Hub split.

    Attributes:
        source: the name that messages show.
        columns: in file order; for JSON the keys of the first row (other rows may have more or fewer).
        rows: may be iterated more than once; each time reads the source afresh.
        hint: why the columns may not be what the user expects, such as another delimiter; often empty.
        folder: where relative paths in the rows begin; None where there is no such place.
        is_lines: whether rows are the lines of a plain text, which may be parts of something longer.
        is_shard: whether the table is a part of a stream, whose rows are never known all at once.
    """

    source: str
    columns: tuple[str, ...]
    rows: Iterable[Row]
    hint: str = ""
    folder: Path | None = None
    is_lines: bool = False
    is_shard: bool = False

    def found_columns(self, columns: Mapping[str, str], spellings: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Returns role -> the column that the table has for it, under its own name or one that data sets use.

        Args:
            columns: role -> the column that is asked for.
            spellings: role -> names that are looked for, its own first. One that the user has given is the only one.

        Raises:
            DataError: the table has none of them.
        """
        found = dict(columns)
        for role, names in spellings.items():
            choices = names if columns[role] == names[0] else (columns[role],)
            match = next((name for name in choices if name in self.columns), None)
            if match is None:
                raise self.missing_column(columns[role], role=role)
            found[role] = match
        return found

    def missing_column(self, column: str, *, role: str | None = None, otherwise: str = "") -> DataError:
        """Returns the error for a column that the table does not have.

        Args:
            column: the name that was looked up.
            role: what it was wanted for (`text`, `label`), to name the config key that maps it.
            otherwise: what to do where no single column of the file is the one that is wanted.
        """
        wanted = f"column {column!r}" + (f" (data.columns.{role})" if role else "")
        message = (
            f"{self.source}: there is no {wanted}; the columns are {name_list(self.columns)}."
            # A header that was read as one cell has no name to offer.
            f"{'' if self.hint else did_you_mean(column, self.columns)}{self._comment_hint(column)}"
        )
        return DataError(
            f"{message} {self.hint or self._by_position(column) or self._by_role(column, role, otherwise)}".rstrip()
        )

    def _comment_hint(self, column: str) -> str:
        is_cut = any(" #" in name and name.partition(" #")[0].rstrip() == column for name in self.columns)
        return " Put it in quotes: in YAML ' #' begins a comment." if is_cut else ""

    def _by_role(self, column: str, role: str | None, otherwise: str) -> str:
        if role is None:
            return ""
        if self.is_lines:
            return (
                "Fix: a text file has one text a line and nothing beside it; name a file with columns, such as a .csv"
            )
        name = _as_yaml(closest_name(column, self.columns) or "COLUMN")
        return f"Fix: name it: data.columns: {{{role}: {name}}}{otherwise}"

    def _by_position(self, column: str) -> str:
        is_position = column.isdecimal() and "0" not in self.columns
        return "Columns are named by position only with data.header: false. Fix: write its name" if is_position else ""


def _as_yaml(name: str) -> str:
    """Returns a column's name as YAML takes it between braces: in quotes where it would be read as something else."""
    import yaml

    with contextlib.suppress(yaml.YAMLError):
        if name.isprintable() and yaml.safe_load(f"{{key: {name}}}") == {"key": name}:
            return name
    return json.dumps(name, ensure_ascii=not name.isprintable())


def first_row(source: str, rows: Iterable[Row], *, empty: str = "it has no rows") -> Row:
    """Returns the first row, so that a file that cannot be read fails when opened; DataError if none."""
    for row in rows:
        return row
    raise DataError(f"{source} is empty: {empty}.")
