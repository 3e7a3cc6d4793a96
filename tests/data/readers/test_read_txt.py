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


def fasttext(tmp_path: Path, content: str) -> list[tuple[object, ...]]:
    path = tmp_path / "train.txt"
    path.write_text(content, encoding="utf-8")
    return [(row.line, *row.values.values()) for row in read(path, ReadOptions()).rows]


def test_labels_of_fasttext(tmp_path: Path) -> None:
    content = "__label__refund I  paid twice .\n\n__label__a,1 __label__b\tboth\nneither\n__label__c\n"
    assert fasttext(tmp_path, content) == [
        (1, "I  paid twice .", "refund"),
        (2, "", None),
        (3, "both", ["a,1", "b"]),
        (4, "neither", None),
        (5, "", "c"),
    ]
    assert read(tmp_path / "train.txt", ReadOptions()).columns == ("text", "label")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "__label__a one\n__label__a two __label__b\n",
            r"line 2: a label stands behind the text(.|\n)*before its text",
        ),
        ("one\n\n__label__a two\n", r"line 3: the line begins with '__label__a', as those of fastText do"),
    ],
)
def test_labels_of_fasttext_in_other_places_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fasttext(tmp_path, content)
