import datetime
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas
import pytest

from ftkit.data.readers import open_table
from ftkit.data.readers import xlsx as reader
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.xlsx"


def write(path: Path, *rows: list[Any], formats: dict[str, str] | None = None, **sheets: list[Any]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in (formats or {}).items():
        book.active[cell].number_format = number_format
    for title, row in sheets.items():
        book.create_sheet(title).append(row)
    book.save(path)


def cells(table: Table) -> list[list[Any]]:
    return [list(row.values.values()) for row in table.rows]


def failure(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(open_table(str(path)).rows)
    return str(caught.value)


def test_text_numbers_and_dates(path: Path) -> None:
    moment = datetime.datetime(2024, 3, 1, 9, 30)
    write(
        path,
        ["text", "label"],
        ["NA", 1],
        ["01", 1.5],
        [7, True],
        [datetime.date(2024, 3, 1), moment],
        [datetime.time(9, 30), None],
        [],
        ["#N/A", "x"],
        formats={"A4": "000"},
    )
    table = open_table(str(path))
    assert table.columns == ("text", "label")
    assert cells(table) == [
        ["NA", 1],
        ["01", 1.5],
        ["007", True],
        ["2024-03-01", "2024-03-01 09:30:00"],
        ["09:30:00", None],
        [None, "x"],
    ]
    assert [row.line for row in table.rows] == [2, 3, 4, 5, 6, 8]


def test_what_pandas_writes(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pandas.DataFrame({"text": ["a", "b"], "label": [1, 0]}).to_excel(path)
    table = open_table(str(path))
    assert (table.columns, cells(table)) == (("text", "label"), [["a", 1], ["b", 0]])
    assert "as pandas writes it; it is left out" in capfd.readouterr().err


def test_a_sheet_without_a_header(path: Path) -> None:
    write(path, ["It broke", "refund"], ["Hi", "greet"])
    table = reader.read(path, ReadOptions(header=False))
    assert (table.columns, cells(table)) == (("0", "1"), [["It broke", "refund"], ["Hi", "greet"]])


def test_further_sheets_are_told(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(path, ["text"], ["a"], empty=[], old=["text"])
    assert cells(open_table(str(path))) == [["a"]]
    assert "the sheet 'Sheet' is read; 'old' would be" in capfd.readouterr().err


def test_cells_beside_the_table_are_refused_with_their_row(path: Path) -> None:
    write(path, ["text", "label"], ["a", "b"], ["c", "d", "todo"])
    assert "line 3: the row has 3 cells, but the header has 2 ('text', 'label'). It reads: c | d | todo" in failure(
        path
    )


def test_formats_that_reach_further_than_cells_do_not_matter(path: Path) -> None:
    write(path, ["text", "label"], ["a", "b"], formats={"F1": "0.00", "F9": "0.00"})
    assert cells(open_table(str(path))) == [["a", "b"]]


def test_no_cells(path: Path) -> None:
    write(path)
    assert "is empty: no sheet has a cell" in failure(path)
    write(path, ["text"])
    assert "is empty: it has a header ('text') but no rows" in failure(path)


def test_what_is_no_workbook(path: Path) -> None:
    path.write_bytes(b"text,label\na,b\n")
    assert "cannot be read as xlsx: File is not a zip file\nFix: the file is damaged, locked" in failure(path)


def test_a_workbook_that_fills_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FREE_BYTES", 1000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", b"0" * 3_000_000)
    assert "unpacks to 3,000,000 bytes, more than 200 times its size" in failure(path)


def test_without_the_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    path.write_bytes(b"x")
    assert "Fix: pip install 'ftkit[xlsx]', or save the sheet as .csv in UTF-8" in failure(path)
