import csv
import io
import re
from pathlib import Path
from typing import Any

import pandas
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.data.readers.csv import read
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import ConfigError, DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def table(path: Path, content: str, **options: Any) -> Table:
    path.write_bytes(content.encode())
    return read(path, ReadOptions(**options))


def cells(path: Path, content: str, **options: Any) -> list[list[str]]:
    return [list(row.values.values()) for row in table(path, content, **options).rows]


def failure(path: Path, content: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(table(path, content, **options).rows)
    return str(caught.value)


def test_cells_stay_exactly_as_written(path: Path) -> None:
    content = "text,label\nNA,1\nnull,01\nNone,1.0\n, 1 \n"
    assert cells(path, content) == [["NA", "1"], ["null", "01"], ["None", "1.0"], ["", " 1 "]]


def test_quoted_newlines_commas_and_quotes_and_the_line_where_each_row_begins(path: Path) -> None:
    rows = list(table(path, 'text,label\r\n"a,\nb",x\r\n\r\n"say ""hi""",y\r\n').rows)
    assert [dict(row.values) for row in rows] == [
        {"text": "a,\nb", "label": "x"},
        {"text": 'say "hi"', "label": "y"},
    ]
    assert [row.line for row in rows] == [2, 5]


def test_rows_can_be_read_twice_and_the_file_need_not_be_read_to_its_end(path: Path) -> None:
    opened = table(path, "text\na\nb\n")
    next(iter(opened.rows))
    assert [row.values["text"] for row in opened.rows] == ["a", "b"]
    assert [row.values["text"] for row in opened.rows] == ["a", "b"]


def test_blank_lines_are_skipped_but_white_space_is_a_cell_of_a_single_column(path: Path) -> None:
    assert cells(path, "\ntext,label\n\n  \na,b\n\n") == [["a", "b"]]
    assert cells(path, 'text\n  \n\n""\na\n') == [["  "], [""], ["a"]]


def test_old_mac_line_ends(path: Path) -> None:
    assert cells(path, "text,label\ra,b\rc,d") == [["a", "b"], ["c", "d"]]


def test_a_carriage_return_is_a_character_in_a_quoted_cell_and_a_fault_elsewhere(path: Path) -> None:
    assert cells(path, 'text,label\r\n"a\rb",c\r\n') == [["a\rb", "c"]]
    message = failure(path, "text,label\na,b\nI paid\r twice,c\n")
    assert "line 3: a carriage return (CR) ends the line" in message


def test_line_ends_that_windows_wrote_twice(path: Path) -> None:
    assert cells(path, "text,label\r\r\na,b\r\r\nc,d\r\r\n") == [["a", "b"], ["c", "d"]]


def test_byte_order_mark_does_not_stick_to_the_first_column(path: Path) -> None:
    assert table(path, "\ufefftext,label\na,b\n").columns == ("text", "label")


def test_a_second_byte_order_mark_does_not_either(path: Path) -> None:
    assert table(path, "\ufeff\ufeff\ufefftext\na\n").columns == ("text",)


def test_long_cells_are_read(path: Path) -> None:
    assert cells(path, "text\n" + "x" * 200_000 + "\n") == [["x" * 200_000]]


def test_row_with_too_many_cells(path: Path) -> None:
    message = failure(path, "text,label\na,b\n\nI paid, twice,refund\n")
    assert f"{path}, line 4: the row has 3 cells, but the header has 2 ('text', 'label')" in message
    assert "It reads: I paid |  twice | refund" in message
    assert 'quote the cell that holds the delimiter ","' in message


def test_a_delimiter_at_the_end_of_a_row_is_told_as_such(path: Path) -> None:
    assert failure(path, "text,label\na,b,\n").endswith(
        "Fix: take away the delimiter at the end of the row, " + ("behind which an empty cell begins.")
    )


def test_row_with_too_few_cells(path: Path) -> None:
    message = failure(path, "text,label\na\n")
    assert "line 2: the row has 1 cell, but the header has 2" in message
    assert "add the missing cell" in message


def test_ragged_row_over_several_lines_suspects_an_open_quote(path: Path) -> None:
    message = failure(path, 'text,label\na,b\n"c,d\ne,f"\n')
    assert "line 3: the row has 1 cell" in message
    assert "runs over 2 lines: a quote left open" in message


def test_quote_never_closed(path: Path) -> None:
    message = failure(path, 'text,label\na,b\n"c,d\ne,f\ng,h\n')
    assert f"{path}, line 3: a quote that opens in this row is never closed; the file ends on line 5" in message
    assert "close the quote" in message


def test_open_quote_that_swallows_rows_up_to_the_next_quote(path: Path) -> None:
    message = failure(path, 'text,label\na,b\n"c,d\ne,f\n"g, h",i\n')
    assert "line 3: a quote that opens in this row closes on line 5 with more text right after it" in message


def test_quote_at_the_start_of_a_text_is_explained(path: Path) -> None:
    message = failure(path, 'text,label\n"Hi" he said,greet\n')
    assert "line 2: a quote that opens in this row closes on line 2" in message
    assert 'write it as """text"" more"' in message


def test_a_file_that_fails_is_closed_though_the_error_is_kept(path: Path) -> None:
    path.write_text('text,label\na,x\n"Hi" he said,greet\nb,y\n')
    with pytest.raises(DataError, match="closes on line 3") as caught:
        list(read(path, ReadOptions()).rows)
    assert str(path) not in [file.path for file in psutil.Process().open_files()]
    assert caught.value.__traceback__ is not None


def test_endless_cell_is_reported_as_an_open_quote(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit()
    monkeypatch.setattr("ftkit.data.readers.csv.MAX_CELL_CHARS", 1000)
    csv.field_size_limit(1000)
    try:
        message = failure(path, 'text,label\n"' + "a,b\n" * 1000)
    finally:
        csv.field_size_limit(before)
    assert "line 2: a cell is longer than 1,000 characters; a quote was probably left open" in message


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text,label,text", "line 1: the header has 'text' more than once"),
        (",text,", "line 1: column 1 of the header has no name"),
        ("text, ,label", "line 1: column 2 of the header has no name"),
    ],
)
def test_header_names(path: Path, header: str, expected: str) -> None:
    message = failure(path, f"{header}\na,b,c\n")
    assert expected in message
    assert "Fix: " in message


@pytest.mark.parametrize("content", ["\n\n", "text,label\n", "text,label\n\n \n"])
def test_no_rows(path: Path, content: str) -> None:
    assert f"{path} is empty" in failure(path, content)


@pytest.mark.parametrize(("delimiter", "shown"), [(";", '";"'), ("\t", r'"\\t"'), ("|", r'"\|"')])
def test_other_delimiter_is_suggested(path: Path, delimiter: str, shown: str) -> None:
    content = f"text{delimiter}label\na{delimiter}b\n"
    told = str(table(path, content).missing_column("label"))
    assert re.search(f"no column 'label'.*data.delimiter: {shown}", told)
    assert cells(path, content, delimiter=delimiter) == [["a", "b"]]


def test_other_delimiter_is_suggested_for_a_ragged_row_too(path: Path) -> None:
    assert 'data.delimiter: ";"' in failure(path, "text;label\nHello, you;greet\n")


@pytest.mark.parametrize("delimiter", ['"', "\n", "\r"])
def test_delimiter_that_cannot_work(path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.delimiter"):
        table(path, "a,b\n", delimiter=delimiter)


# NUL and lone surrogates cannot be in a UTF-8 text file.
CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
TRICKY = st.lists(st.sampled_from(['"', ",", "\n", "\r", "\r\n", " ", "a", "NA", "\ufeff"])).map("".join)
ROWS = st.lists(st.lists(CELL | TRICKY, min_size=2, max_size=2), min_size=1, max_size=5)


@given(rows=ROWS)
@settings(max_examples=200, deadline=None)
def test_cells_written_by_the_csv_module_come_back(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["text", "label"], *rows])
    assert cells(tmp_path_factory.getbasetemp() / "round_trip.csv", text.getvalue()) == rows


def test_without_a_header_columns_are_called_by_their_position(path: Path) -> None:
    opened = table(path, "It broke.,refund\nHi,greet\n", header=False)
    assert opened.columns == ("0", "1")
    assert [(row.line, row.values) for row in opened.rows] == [
        (1, {"0": "It broke.", "1": "refund"}),
        (2, {"0": "Hi", "1": "greet"}),
    ]
    message = failure(path, "a,b\na\n", header=False)
    assert "line 2: the row has 1 cell, but the first row has 2. It reads: a" in message
    assert str(opened.missing_column("text", role="text")).endswith(
        "the columns are '0', '1'. With data.header: false columns have no names; the first row is 'It broke.', "
        "'refund'. Fix: name columns by position, from 0, such as data.columns: {text: 0, label: 1}"
    )


@pytest.mark.parametrize(
    "content", ["I paid twice for it,refund\nHi,greet\n", "A plane,An air plane,5.0\na,b,1\n", "1,refund\n0,greet\n"]
)
def test_a_first_line_that_looks_like_data_is_told_with_what_to_do(path: Path, content: str) -> None:
    message = str(table(path, content).missing_column("text", role="text"))
    assert "The first line looks like a row, not like a header. Fix: data.header: false" in message


@pytest.mark.parametrize("first", ["I paid twice for it,a,a", "I paid twice for it,,a"])
def test_a_first_line_that_cannot_be_a_header_is_told_with_what_to_do(path: Path, first: str) -> None:
    assert "if the file has no header: data.header: false" in failure(path, f"{first}\n1,2,3\n")


def test_a_position_is_no_name_where_there_is_a_header(path: Path) -> None:
    message = str(table(path, "text,label\na,b\n").missing_column("0", role="text"))
    assert "by position only with data.header: false" in message


def test_the_index_of_pandas_is_left_out_with_a_note(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frame = pandas.DataFrame({"text": ["NA", "it, broke"], "label": [1, 0]}, index=[7, 3])
    frame.to_csv(path)
    opened = read(path, ReadOptions())
    assert opened.columns == ("text", "label")
    assert [row.values for row in opened.rows] == [{"text": "NA", "label": "1"}, {"text": "it, broke", "label": "0"}]
    assert "the first column has no name and counts the rows" in capfd.readouterr().err


def test_an_unnamed_column_that_is_no_index_is_refused(path: Path) -> None:
    message = failure(path, ",text\n0,a\nx,b\n")
    assert "line 3: the first column has no name in the header, and 'x' does not count the rows" in message


def test_quoted_cells_between_another_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for delimiter in (";", "|", "\t"):
        path.write_text(f'"text"{delimiter}"label"\n"a, b"{delimiter}"x"\n')
        with pytest.raises(
            DataError, match=r"line 1: the cells are in quotes, with .*\nFix: data.delimiter: "
        ) as caught:
            read(path, ReadOptions())
        assert str(caught.value).endswith(f'"{delimiter}"'.replace("\t", "\\t"))
        (row,) = read(path, ReadOptions(delimiter=delimiter)).rows
        assert row.values == {"text": "a, b", "label": "x"}


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_an_instruction_for_spreadsheets_is_no_header(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\ntext;label\na;x\n")
    with pytest.raises(
        DataError, match=r"line 1: 'sep=;?' is an instruction for spreadsheets, not a header.\nFix: delete"
    ):
        read(path, ReadOptions(delimiter=delimiter))
