from pathlib import Path

import pytest

from ftkit.data.readers.jsonl import read
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def table(path: Path, content: str) -> Table:
    path.write_bytes(content.encode())
    return read(path, ReadOptions())


def failure(path: Path, content: str) -> str:
    with pytest.raises(DataError) as caught:
        list(table(path, content).rows)
    return str(caught.value)


def test_values_keep_their_types_and_rows_their_lines(path: Path) -> None:
    opened = table(path, '{"text": "NA", "label": 1}\n\n  {"text": null, "label": "01", "more": [1.5, true]}\r\n')
    assert opened.columns == ("text", "label")
    assert [(row.line, row.values) for row in opened.rows] == [
        (1, {"text": "NA", "label": 1}),
        (3, {"text": None, "label": "01", "more": [1.5, True]}),
    ]


def test_a_missing_key_is_absent(path: Path) -> None:
    assert [row.values for row in table(path, '{"a": 1, "b": 2}\n{"a": 3}\n').rows][1] == {"a": 3}


def test_line_separator_inside_a_string_is_not_a_line_end(path: Path) -> None:
    assert [row.values for row in table(path, '{"text": "a\u2028b"}\n').rows] == [{"text": "a\u2028b"}]


@pytest.mark.parametrize(
    ("line", "column"),
    [('{"text": }', 10), ('  {"text" "a"}', 11), ('{"text": "a"} x', 15), ("{'a': 1}", 2)],
)
def test_bad_json_names_line_and_column(path: Path, line: str, column: int) -> None:
    message = failure(path, f'{{"text": "fine"}}\n{line}\n')
    assert f"{path}, line 2, column {column}: not valid JSON" in message
    assert "one complete object a line" in message


@pytest.mark.parametrize(
    ("line", "kind"),
    [("[1]", "list"), ('"a"', "string"), ("1", "number"), ("null", "null"), ("true", "boolean")],
)
def test_line_that_is_no_object(path: Path, line: str, kind: str) -> None:
    message = failure(path, f"{line}\n")
    assert f"{path}, line 1: expected an object" in message
    assert f"got a {kind}" in message
    assert "name a file that is one JSON list .json" in message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("NaN", "NaN is not JSON; write null"),
        ("-Infinity", "-Infinity is not JSON"),
        ("1e999", "the number 1e999 is too large"),
        ("9" * 5000, "a number of more than 4,300 digits; if it is text, put it in quotes"),
        ('{"b": 1, "b": 2}', "the key 'b' appears twice"),
        ('"\\ud83d"', "ud83d is half of a character"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_refused_values(path: Path, value: str, reason: str) -> None:
    message = failure(path, f'{{"a": 1}}\n{{"a": {value}}}\n')
    assert f"{path}, line 2: " in message
    assert reason in message


def test_whole_surrogate_pairs_are_one_character(path: Path) -> None:
    assert next(iter(table(path, '{"text": "\\ud83d\\ude00"}').rows)).values == {"text": "\U0001f600"}


@pytest.mark.parametrize("content", ["\n \n", "\ufeff\n"])
def test_no_rows(path: Path, content: str) -> None:
    assert f"{path} is empty" in failure(path, content)
