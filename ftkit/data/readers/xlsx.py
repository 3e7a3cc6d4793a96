"""Reads the first sheet of an xlsx workbook: text as text, numbers as numbers, dates in ISO 8601."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftkit.console import note
from ftkit.data.compression import FREE_BYTES, MAX_RATIO
from ftkit.data.readers.cells import Record, table_from_records
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import DataError, name_list

_ZEROS = re.compile("0+")
_ERROR = "e"  # openpyxl's name for the type of a cell such as #REF!


def read(path: Path, options: ReadOptions) -> Table:
    """Reads the first sheet that has cells; `Row.line` is the number of the row in the sheet.

    | cell in the sheet | value |
    |---|---|
    | text, also one such as `NA` or `01` | the text |
    | a number; one under the format `000` | the number; its digits as text, `007` |
    | a date, a time, both | ISO 8601: `2024-03-01`, `09:30:00`, `2024-03-01 09:30:00` |
    | a formula | the value that was saved with it; None where none was |
    | TRUE, an empty cell, an error such as `#N/A` | True, None, None |

    Blank rows are skipped.

    Raises:
        DataError: no workbook, a damaged one, a ragged row, a header name that is empty or repeated, or no rows.
    """
    with _opened(path) as book:
        sheet, *others = [sheet.title for sheet in book.worksheets if _has_cells(sheet)] or [None]
    if sheet is None:
        raise DataError(f"{path} is empty: no sheet has a cell.")
    if others:
        note(f"{path}: the sheet {sheet!r} is read; {name_list(others)} would be, were they files of their own.")
    return table_from_records(
        path,
        lambda: _records(path, sheet),
        options,
        too_many_fix="name the column in the first row, delete rows above it, or empty the cells beside the table",
    )


def _records(path: Path, sheet: str) -> Iterator[Record]:
    num_columns = 0
    with _opened(path) as book:
        for number, row in enumerate(book[sheet].iter_rows(), 1):
            cells = [_value(cell) for cell in row]
            while cells and cells[-1] is None and len(cells) > num_columns:
                cells.pop()  # a sheet is as wide as its widest row, and formats reach further than cells
            if any(cell is not None for cell in cells):
                num_columns = num_columns or len(cells)
                yield number, cells + [None] * (num_columns - len(cells))


def _value(cell: Any) -> Any:
    value = cell.value
    if value is None or value == "" or cell.data_type == _ERROR:
        return None
    if isinstance(value, datetime.datetime):
        has_time = any(letter in cell.number_format.lower() for letter in "hs")
        return str(value if has_time or value.time() != datetime.time() else value.date())
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and _ZEROS.fullmatch(cell.number_format):
        return f"{value:0{len(cell.number_format)}d}" if len(cell.number_format) > 1 else value
    return value


def _has_cells(sheet: Any) -> bool:
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yields the open workbook; what openpyxl raises while it is read becomes a DataError."""
    try:
        import openpyxl
    except ImportError:
        raise DataError(
            f"{path}: reading .xlsx needs openpyxl.\nFix: pip install 'ftkit[xlsx]', or save the sheet as .csv in "
            "UTF-8."
        ) from None
    try:
        _check_size(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except DataError:
        raise
    except Exception as error:  # openpyxl raises kinds of zipfile, of XML and its own, and KeyError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as xlsx: {reason}\nFix: the file is damaged, locked by a password, or of another "
            "format; open it in a spreadsheet and save it as .xlsx, or as .csv in UTF-8."
        ) from None
    try:
        yield book
    finally:
        book.close()


_START_BYTES = 4096  # a declaration stands before the first element; libraries' own begin within 100


def _declares_types(start: bytes) -> bool:
    """Tells whether XML has a document type, in an encoding of one or of two bytes."""
    return b"<!DOCTYPE" in start or any("<!DOCTYPE".encode(code) in start for code in ("utf-16-le", "utf-16-be"))


def _check_size(path: Path) -> None:
    """Refuses a workbook that is made to fill a memory: it is a zip, and its texts are held at once.

    Of XML, a spreadsheet writes no document types, which declare texts that stand for many others.
    """
    with zipfile.ZipFile(path) as file:
        size = sum(entry.file_size for entry in file.infolist())
        for entry in file.infolist():
            with file.open(entry) as part:
                if _declares_types(part.read(_START_BYTES)):
                    raise DataError(
                        f"{path}: {entry.filename} in it begins with a document type (DTD), which no spreadsheet "
                        "writes.\nFix: if you trust it, open it in a spreadsheet and save the sheet as .csv in UTF-8."
                    )
    if size > max(FREE_BYTES, MAX_RATIO * path.stat().st_size):
        raise DataError(
            f"{path} unpacks to {size:,} bytes, more than {MAX_RATIO} times its size.\n"
            "Fix: if you trust it, open it in a spreadsheet and save the sheet as .csv in UTF-8."
        )
