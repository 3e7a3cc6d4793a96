import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.data.readers.table import ReadOptions, Table
from ftkit.data.readers.tsv import read
from ftkit.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.tsv"


def table(path: Path, content: str, **options: str) -> Table:
    path.write_bytes(content.encode())
    return read(path, ReadOptions(**options))


def cells(path: Path, content: str) -> list[list[str]]:
    return [list(row.values.values()) for row in table(path, content).rows]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('5" pipe', '5" pipe'),
        ('"hello', '"hello'),
        ('hello"', 'hello"'),
        ('"', '"'),
        ('""', ""),
        ('"a" and "b"', '"a" and "b"'),
        ('"say ""hi"" now"', 'say "hi" now'),
        ('"""hi"""', '"hi"'),
        ('"hello"', "hello"),
        ("NA", "NA"),
        (" 01 ", " 01 "),
        ("a, b", "a, b"),
    ],
)
def test_quotes_are_literal_unless_they_wrap_the_cell(path: Path, cell: str, value: str) -> None:
    assert cells(path, f"text\tlabel\n{cell}\tx\n") == [[value, "x"]]


def test_lines_are_rows_and_blank_lines_are_skipped(path: Path) -> None:
    rows = list(table(path, "text\tlabel\r\na\tb\r\n\r\n \r\n\t\r\n").rows)
    assert [(row.line, list(row.values.values())) for row in rows] == [(2, ["a", "b"]), (5, ["", ""])]


def test_white_space_is_a_cell_of_a_single_column(path: Path) -> None:
    assert cells(path, "text\n  \n\na\n") == [["  "], ["a"]]


def test_tab_inside_a_cell(path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cells(path, "text\tlabel\na\tb\tc\n")
    message = str(caught.value)
    assert f"{path}, line 2: the row has 3 cells, but the header has 2" in message
    assert "replace the tab" in message
    assert 'name the file .csv and set data.delimiter: "\\t"' in message


def test_comma_separated_file_under_the_wrong_name(path: Path) -> None:
    told = str(table(path, "text,label\na,b\n").missing_column("text"))
    assert re.search(r'one cell that contains ",".*data.delimiter: ","', told)
    assert table(path, "text,label\na,b\n", delimiter=",").columns == ("text", "label")


CELL = st.text(st.characters(exclude_characters="\0\t\r\n", exclude_categories=["Cs"]), max_size=12)


@given(rows=st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_cells_written_by_the_csv_module_come_back(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, "excel-tab").writerows([["text", "label"], *rows])
    assert cells(tmp_path_factory.getbasetemp() / "round_trip.tsv", text.getvalue()) == rows
