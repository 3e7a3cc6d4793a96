"""What csv and tsv share: a header, rows of text cells, and what to say when they do not fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ftkit.data.readers.table import RowStream, Table, first_row
from ftkit.errors import DataError, name_list
from ftkit.types import Row

Record = tuple[int, list[str]]
"""The line where a row begins, and its cells."""

_OTHER_DELIMITERS = (";", "\t", "|", ",")


def table_from_records(
    path: Path, records: Callable[[], Iterator[Record]], *, delimiter: str, too_many_fix: str
) -> Table:
    """Builds the table of a file whose first record is its header.

    Args:
        path: the file, for messages.
        records: starts reading the file; yields its records without blank lines.
        delimiter: what separates the cells.
        too_many_fix: what to do about a row with more cells than the header.
    """
    header = next(records(), None)
    if header is None:
        raise DataError(f"{path} is empty: it has no header line and no rows.")
    columns = _checked_header(path, header)
    hint = _header_hint(columns, delimiter)

    def rows() -> Iterator[Row]:
        stream = records()
        next(stream, None)
        num_columns = len(columns)
        for line, cells in stream:
            if len(cells) != num_columns:
                fix = too_many_fix if len(cells) > num_columns else "add the missing cell, or delete the row"
                raise _ragged_row(path, line, cells, columns, hint or f"Fix: {fix}.")
            yield Row(dict(zip(columns, cells, strict=False)), line)

    table = Table(str(path), columns, RowStream(rows), hint)
    first_row(table.source, table.rows, empty=f"it has a header ({name_list(columns)}) but no rows")
    return table


def shown(delimiter: str) -> str:
    """Returns a delimiter as it is written in YAML and in messages."""
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'


def _checked_header(path: Path, header: Record) -> tuple[str, ...]:
    line, names = header
    unnamed = [position for position, name in enumerate(names, 1) if not name.strip()]
    if unnamed:
        raise DataError(
            f"{path}, line {line}: column {unnamed[0]} of the header has no name; the header is "
            f"{name_list(names)}.\nFix: name the column or remove it (pandas: df.to_csv(path, index=False))."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"{path}, line {line}: the header has {name_list(repeated)} more than once; it is "
            f"{name_list(names)}.\nFix: give each column its own name."
        )
    return tuple(names)


def _header_hint(columns: tuple[str, ...], delimiter: str) -> str:
    if len(columns) > 1:
        return ""
    for other in _OTHER_DELIMITERS:
        if other in columns[0] and other != delimiter:
            return f"The header is one cell that contains {shown(other)}. Fix: data.delimiter: {shown(other)}"
    return ""


def _ragged_row(path: Path, line: int, cells: list[str], columns: tuple[str, ...], fix: str) -> DataError:
    num_lines = 1 + sum(cell.count("\n") for cell in cells)
    spans = f" It runs over {num_lines} lines: a quote left open may join rows." if num_lines > 1 else ""
    preview = " | ".join(cells).replace("\n", "\\n")
    preview = preview if len(preview) <= 100 else preview[:100] + "..."
    return DataError(
        f"{path}, line {line}: the row has {_count(cells)}, but the header has {len(columns)} "
        f"({name_list(columns)}). It reads: {preview}{spans}\n{fix}"
    )


def _count(cells: list[str]) -> str:
    return "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
