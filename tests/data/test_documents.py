"""Where a document of plain text ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftkit.data.documents import check_documents, document_rows, without_empty
from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import ConfigError
from ftkit.types import Split, TextExample


def documents(path: Path, how: str | None) -> list[tuple[int, str]]:
    table = open_table(str(path), ReadOptions())
    return [(row.line, row.values["text"]) for row in document_rows(table, how)]  # type: ignore[arg-type]


def test_a_line_what_stands_between_blank_lines_or_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\nOne\nday\n \n\nTwo\n")
    assert documents(path, None) == documents(path, "line") == [(2, "One"), (3, "day"), (6, "Two")]
    assert documents(path, "blank_line") == [(2, "One\nday"), (6, "Two")]
    assert documents(path, "file") == [(1, "\nOne\nday\n \n\nTwo")]


def test_rows_of_a_table_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "One\\n\\nday"}\n{"text": ""}\n')
    assert documents(path, None) == [(1, "One\n\nday"), (2, "")]
    with pytest.raises(ConfigError, match=r"data.documents: blank_line: the rows of .*a\.jsonl are documents already"):
        documents(path, "blank_line")


def split(source: str, *lines: int) -> Split[TextExample]:
    return Split("train", source, [TextExample(id=line, text="x", line=line) for line in lines])


def test_lines_that_look_like_parts_of_documents_are_told() -> None:
    problems = Problems()
    check_documents(split("a.txt", 1, 2, 3, 5, 6, 7, 9, 10), None, problems)
    (warning,) = problems.warnings
    assert "each of its 8 lines is read as a document of its own, but blank lines part them into 3 groups" in warning
    assert "data.documents: blank_line" in warning
    for source, lines, how in (
        ("a.txt", (1, 2, 3, 5, 6, 7), "line"),
        ("a.txt", (1, 2, 3, 4), None),
        ("a.txt", (1, 3, 5, 7, 8), None),
        ("a.csv", (1, 2, 3, 5, 6, 7), None),
    ):
        problems = Problems()
        check_documents(split(source, *lines), how, problems)  # type: ignore[arg-type]
        assert not problems.warnings


def test_rows_without_a_text_are_left_out_and_counted() -> None:
    rows = [TextExample(id=index, text=text, line=index + 1) for index, text in enumerate(("a", " ", "", "b"))]
    problems = Problems()
    assert [row.text for row in without_empty(Split("train", "a.csv", rows), problems).examples] == ["a", "b"]
    assert "2 of 4 rows hold no text and are left out" in problems.warnings[0]
    assert "a.csv, line 2" in problems.warnings[0]
