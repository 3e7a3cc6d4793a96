from pathlib import Path

import pytest

from ftkit.data.readers.json import read
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.json"


def table(path: Path, content: str) -> Table:
    path.write_bytes(content.encode())
    return read(path, ReadOptions())


def failure(path: Path, content: str) -> str:
    with pytest.raises(DataError) as caught:
        list(table(path, content).rows)
    return str(caught.value)


def test_list_of_objects_with_lines(path: Path) -> None:
    opened = table(path, '[\n  {"text": "a",\n   "label": 1},\n\n  {"text": "b"}\n]\n')
    assert opened.columns == ("text", "label")
    assert [(row.line, row.values) for row in opened.rows] == [
        (2, {"text": "a", "label": 1}),
        (5, {"text": "b"}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        '{"data": [{"a": 1}]}',
        '{"version": "1", "data": [ {"a": 1} ] , "more": {"data": []}}',
        '{"data":\n[{"a": 1}\n]\n}\n',
    ],
)
def test_object_with_data(path: Path, content: str) -> None:
    assert [row.values for row in table(path, content).rows] == [{"a": 1}]


def test_rows_on_one_line_have_their_numbers(path: Path) -> None:
    assert [row.line for row in table(path, '[{"a": 1}, {"a": 2}, {"a": 3}]').rows] == [1, 2, 3]
    assert [row.line for row in table(path, '\n{"data": [{"a": 1}, {"a": 2}]}').rows] == [1, 2]
    assert [row.line for row in table(path, '\n[{"a": 1}]').rows] == [2]


def test_bad_json_names_line_and_column(path: Path) -> None:
    assert f"{path}, line 3, column 3: not valid JSON: Expecting ','" in failure(path, '[\n {"a": 1}\n  {"a": 2}]')
    assert "line 2, column 1" in failure(path, '[{"a": 1},\n')
    assert "line 1, column 9" in failure(path, '{"data" 1}')


def test_json_lines_under_the_wrong_name(path: Path) -> None:
    message = failure(path, '{"a": 1}\n{"a": 2}\n')
    assert f"{path}, line 2, column 1: not valid JSON: Extra data" in message
    assert "name the file .jsonl" in message


def test_text_after_the_list(path: Path) -> None:
    assert "line 1, column 12: not valid JSON: Extra data" in failure(path, '[{"a": 1}] x')


@pytest.mark.parametrize("content", ['"text"', "3", '{"rows": []}', '{"data": 3}', "{}"])
def test_document_without_rows(path: Path, content: str) -> None:
    message = failure(path, content)
    assert str(path) in message
    assert "list of objects" in message or "is empty" in message


def test_object_without_data_lists_its_keys(path: Path) -> None:
    message = failure(path, '{"rows": [], "version": 1}')
    assert "this object has 'rows', 'version'; pandas writes it by to_json(PATH, orient='records')" in message


def test_item_that_is_no_object(path: Path) -> None:
    assert f'{path}, line 2: expected an object such as {{"text": ...}}, got [1, 2]' in failure(
        path, '[{"a": 1},\n [1, 2]]'
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"a": 1},\n{"a": NaN}]', "NaN is not JSON"),
        ('[{"a": 1},\n{"a": 1, "a": 2}]', "the key 'a' appears twice"),
        ('{"data": [{"a": 1}],\n"data": []}', "the key 'data' appears twice"),
        ('{"data": [{"a": 1}],\n3: []}', "expected a key in double quotes"),
    ],
)
def test_refused_values_name_the_line(path: Path, content: str, reason: str) -> None:
    message = failure(path, content)
    assert f"{path}, line 2: " in message
    assert reason in message


@pytest.mark.parametrize("content", ["\n \n", "[]", '{"data": []}'])
def test_no_rows(path: Path, content: str) -> None:
    assert f"{path} is empty" in failure(path, content)
