"""Reads tsv: one row a line, cells between tabs, every cell text exactly as written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ftkit.data.readers.cells import Record, table_from_records
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.data.readers.text import read_lines, without_line_end


def read(path: Path, options: ReadOptions) -> Table:
    r"""Reads a tsv file, with a header line unless `options.header` is False.

    A row is a line and a tab always ends a cell, as in the IANA registration of
    `text/tab-separated-values`: there is no quote that could stay open. Data sets such as GLUE rely on
    it, for their texts hold single quotes. Spreadsheets and csv libraries, however, wrap a cell that
    contains quotes: so a cell that begins and ends with `"`, and has only doubled quotes inside, is
    unwrapped. Every other quote is an ordinary character:

    | cell in the file | value |
    |---|---|
    | `5" pipe` | `5" pipe` |
    | `"hello` | `"hello` |
    | `"a" and "b"` | `"a" and "b"` |
    | `"say ""hi"" now"` | `say "hi" now` |
    | `"hello"` | `hello` |

    Files whose quoted cells hold tabs or line breaks follow csv's rules: name them .csv and set
    `data.delimiter: "\t"`.

    Raises:
        DataError: a ragged row, a header name that is empty or repeated, or no rows.
    """
    delimiter = options.delimiter or "\t"
    return table_from_records(
        path,
        lambda: _records(path, options, delimiter),
        options,
        delimiter=delimiter,
        too_many_fix=(
            "replace the tab inside the cell by a space; if quoted cells hold tabs or line breaks, "
            'name the file .csv and set data.delimiter: "\\t"'
        ),
    )


def _records(path: Path, options: ReadOptions, delimiter: str) -> Iterator[Record]:
    num_columns = 0
    for number, line in enumerate(read_lines(path, options), 1):
        cells = without_line_end(line).split(delimiter)
        if len(cells) == 1 and (cells[0] == "" or (num_columns != 1 and not cells[0].strip())):
            continue  # a blank line; a line of white space is a cell only where rows have one
        num_columns = num_columns or len(cells)
        yield number, [_unwrapped(cell) for cell in cells] if '"' in line else cells


def _unwrapped(cell: str) -> str:
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inside = cell[1:-1]
    return cell if '"' in inside.replace('""', "") else inside.replace('""', '"')
