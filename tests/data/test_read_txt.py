from pathlib import Path

import pytest

from ftkit.data.readers.table import ReadOptions
from ftkit.data.readers.txt import read
from ftkit.errors import DataError


def test_one_text_a_line_with_inner_blank_lines_kept(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b' a, "b" \r\n\r\nNA\n\n \n')
    table = read(path, ReadOptions())
    assert table.columns == ("text",)
    assert [(row.line, row.values["text"]) for row in table.rows] == [(1, ' a, "b" '), (2, ""), (3, "NA")]


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b"\n \n")
    with pytest.raises(DataError, match="is empty: it has no line with text"):
        read(path, ReadOptions())
