"""What csv, tsv and xlsx share: a header, rows of cells, and what to say when they do not fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.console import note
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.errors import DataError, name_list
from ftkit.types import Row

Record = tuple[int, Sequence[Any]]
"""The line where a row begins, and its cells: text, or what an xlsx file has."""

OTHER_DELIMITERS = (";", "\t", "|", ",")
_NO_HEADER = "data.header: false, and name columns by position, from 0: data.columns: {text: 0, label: 1}"


def table_from_records(
    path: Path,
    records: Callable[[], Iterator[Record]],
    options: ReadOptions,
    *,
    too_many_fix: str,
    delimiter: str | None = None,
) -> Table:
    """Builds the table of a file of records.

    Without a header the columns are called by their position: `0`, `1` ... A first column without a name that holds
    whole numbers is the index that pandas writes: it is left out, with a note.

    Args:
        path: the file, for messages.
        records: starts reading the file; yields its records without blank lines.
        options: whether the first record names the columns, and what is done about rows with other numbers of cells.
        too_many_fix: what to do about a row with more cells than there are columns.
        delimiter: what separates the cells, where they are text between something.

    Raises:
        DataError: the file is empty, or names no columns.
    """
    header, first = options.header, next(records(), None)
    if first is None:
        raise DataError(f"{path} is empty: it has no {'header line and no ' if header else ''}rows.")
    line, cells = first
    if header and str(cells[0]).lower().startswith("sep="):
        raise DataError(
            f"{path}, line {line}: {str(cells[0])[:20]!r} is an instruction for spreadsheets, not a header.\n"
            'Fix: delete the line, and say which character separates the cells, such as data.delimiter: ";"'
        )
    layout = _with_header(path, line, cells) if header else _Layout(tuple(map(str, range(len(cells)))))
    hint = _delimiter_hint(str(cells[0]), delimiter) if len(cells) == 1 else ""
    num_cells = len(cells)

    def rows() -> Iterator[Row]:
        stream = records()
        if header:
            next(stream, None)
        for line, cells in stream:
            if len(cells) != num_cells:
                fix = _ragged_fix(cells, num_cells, too_many_fix)
                names = layout.names(num_cells)
                options.refuse(_ragged_row(path, line, cells, names, header, hint or f"Fix: {fix}."))
                continue
            if layout.has_index:
                cells = layout.without_index(path, line, cells)
            yield Row(dict(zip(layout.columns, cells, strict=False)), line)

    table = Table(str(path), layout.columns, RowStream(rows), hint or layout.hint(cells))
    empty = f"it has a header ({name_list(layout.columns)}) but no rows" if header else "it has no rows"
    first_row(table.source, table.rows, empty=empty)
    if layout.has_index:
        note(f"{path}: the first column has no name and counts the rows, as pandas writes it; it is left out.")
    return table


def shown(delimiter: str) -> str:
    """Returns a delimiter as it is written in YAML and in messages."""
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'


@dataclass(frozen=True)
class _Layout:
    """Which cells of a record are columns.

    Attributes:
        columns: their names.
        has_index: whether a cell before them counts the rows.
        is_named: whether the file names them.
    """

    columns: tuple[str, ...]
    has_index: bool = False
    is_named: bool = False

    def without_index(self, path: Path, line: int, cells: Sequence[Any]) -> Sequence[Any]:
        """Returns the cells of a record that belong to columns.

        Raises:
            DataError: the first cell is no index.
        """
        if not str(cells[0]).strip().isdecimal():
            raise DataError(
                f"{path}, line {line}: the first column has no name in the header, and {str(cells[0])[:60]!r} does "
                "not count the rows as the index of pandas does.\nFix: name the column or remove it."
            )
        return cells[1:]

    def names(self, num_cells: int) -> tuple[str, ...]:
        """Returns a name for each cell, for messages."""
        return self.columns if len(self.columns) == num_cells else ("", *self.columns)

    def hint(self, first: Sequence[Any]) -> str:
        """Returns why a column may be missed, given the first record; often empty."""
        if not self.is_named:
            return (
                f"With data.header: false columns have no names; the first row is {name_list(map(str, first))}. "
                "Fix: name columns by position, from 0, such as data.columns: {text: 0, label: 1}"
            )
        return f"The first line looks like a row, not like a header. Fix: {_NO_HEADER}" if _is_data(first) else ""


def _with_header(path: Path, line: int, cells: Sequence[Any]) -> _Layout:
    names = ["" if cell is None else str(cell) for cell in cells]
    headerless = f"; if the file has no header: {_NO_HEADER}" if _is_data(names) else ""
    has_index = len(names) > 1 and not names[0].strip() and all(name.strip() for name in names[1:])
    unnamed = [position for position, name in enumerate(names, 1) if not name.strip()]
    if unnamed and not has_index:
        raise DataError(
            f"{path}, line {line}: column {unnamed[0]} of the header has no name; the header is "
            f"{name_list(names)}.\nFix: name the column or remove it{headerless}."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{path}, line {line}: the header has {name_list(repeated)} more than once; it is "
            f"{name_list(names)}.\nFix: give each column its own name{headerless}."
        )
    return _Layout(tuple(names[1:] if has_index else names), has_index=has_index, is_named=True)


def _is_data(first: Sequence[Any]) -> bool:
    """Tells whether a record can hardly be a header: it has a sentence, or a number beside something that is none."""
    texts = [str(cell).strip() for cell in first]
    numbers = [text for text in texts if _is_number(text)]
    return any(len(text.split()) > 3 for text in texts) or 0 < len(numbers) < len(texts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _delimiter_hint(cell: str, delimiter: str | None) -> str:
    if delimiter is None:
        return ""
    for other in OTHER_DELIMITERS:
        if other in cell and other != delimiter:
            return f"The header is one cell that contains {shown(other)}. Fix: data.delimiter: {shown(other)}"
    return ""


def _ragged_fix(cells: Sequence[Any], num_cells: int, too_many: str) -> str:
    if len(cells) < num_cells:
        return "add the missing cell, or delete the row"
    if not any(str(cell).strip() for cell in cells[num_cells:]):
        return "take away the delimiter at the end of the row, behind which an empty cell begins"
    return too_many


def _ragged_row(
    path: Path, line: int, cells: Sequence[Any], names: tuple[str, ...], header: bool, fix: str
) -> DataError:
    texts = list(map(str, cells))
    num_lines = 1 + sum(text.count("\n") for text in texts)
    spans = f" It runs over {num_lines} lines: a quote left open may join rows." if num_lines > 1 else ""
    preview = " | ".join(texts).replace("\n", "\\n")
    preview = preview if len(preview) <= 100 else preview[:100] + "..."
    expected = f"the header has {len(names)} ({name_list(names)})" if header else f"the first row has {len(names)}"
    return DataError(
        f"{path}, line {line}: the row has {_count(cells)}, but {expected}. It reads: {preview}{spans}\n{fix}"
    )


def _count(cells: Sequence[Any]) -> str:
    return "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
