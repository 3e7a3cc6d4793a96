"""Reads csv: every cell is text exactly as written (`NA`, `null`, `01`, `1.0`, the empty cell)."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path

from ftkit.data.readers.cells import OTHER_DELIMITERS, Record, shown, table_from_records
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.data.readers.text import LineEnds, read_any_lines
from ftkit.errors import ConfigError, DataError

# Python's limit of 131,072 characters refuses real documents. No limit at all would let one open quote
# take a whole file into memory before it is reported.
MAX_CELL_CHARS = 16 * 1024 * 1024


def read(path: Path, options: ReadOptions) -> Table:
    r"""Reads a csv file, with a header line unless `options.header` is False.

    A cell may be quoted with `"`; then it may hold the delimiter, line breaks, and quotes written twice.
    Lines may end in `\n`, `\r\n` or `\r`. Blank lines are skipped.

    Raises:
        DataError: a ragged row, a quote left open, a header name that is empty or repeated, or no rows.
    """
    delimiter = options.delimiter or ","
    if delimiter in '"\r\n':
        raise ConfigError(f"data.delimiter: {delimiter!r} cannot separate cells; use one such as ',' or ';'.")
    return table_from_records(
        path,
        lambda: _records(path, options, delimiter),
        options,
        delimiter=delimiter,
        too_many_fix=f'quote the cell that holds the delimiter {shown(delimiter)}: "one{delimiter} two"',
    )


def _records(path: Path, options: ReadOptions, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARS))
    num_columns, line, ends = 0, 1, LineEnds(path)
    # The file is closed at once, not when somebody lets go of an error that remembers this frame.
    with contextlib.closing(read_any_lines(path, options)) as lines:
        remembering = _LastLine(lines)
        reader = csv.reader(remembering, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                # Only the end of a row is one of a line: a quoted cell may hold any. A blank row with an end of
                # Windows may be the rest of one that was written twice.
                is_told = ends.has_newline and remembering.last[-1] == "\n"
                if not is_told and (cells or remembering.last != "\r\n"):
                    ends.add(line, remembering.last)
                if cells and (len(cells) > 1 or num_columns == 1 or cells[0].strip()):
                    num_columns = num_columns or len(cells)
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise _quote_error(
                path, line, reader.line_num, str(error), _other_delimiter(remembering.last, delimiter)
            ) from None


class _LastLine:
    """Lines, of which the last one that was taken is remembered."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.last = lines, ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.last = line
            yield line


def _other_delimiter(line: str, delimiter: str) -> str | None:
    """Returns what separates the quoted cells of a line, if it is another delimiter: `"text";"label"` has ";"."""
    others = (other for other in OTHER_DELIMITERS if other != delimiter)
    return next((other for other in others if f'"{other}"' in line and f'"{delimiter}"' not in line), None)


def _quote_error(path: Path, line: int, last_line: int, reason: str, other: str | None) -> DataError:
    """Explains the ways in which the csv module meets a quote that was not closed, or after which no cell ends."""
    if "expected after" in reason and other is not None:
        return DataError(
            f"{path}, line {line}: the cells are in quotes, with {shown(other)} between them.\n"
            f"Fix: data.delimiter: {shown(other)}"
        )
    if "expected after" in reason:
        what = f"a quote that opens in this row closes on line {last_line} with more text right after it"
    elif "unexpected end of data" in reason:
        what = f"a quote that opens in this row is never closed; the file ends on line {last_line}"
    elif "field limit" in reason:
        what = f"a cell is longer than {MAX_CELL_CHARS:,} characters; a quote was probably left open"
    else:
        what = reason
    return DataError(
        f"{path}, line {line}: {what}.\n"
        'Fix: close the quote, or, if the cell begins with a real quote, write it as """text"" more".'
    )
