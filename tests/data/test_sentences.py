from pathlib import Path
from typing import Any

import pytest

from ftkit.data.readers import open_table
from ftkit.data.sentences import join_rows
from ftkit.errors import DataError


def rows(tmp_path: Path, content: str, **options: Any) -> list[tuple[int, dict[str, Any]]]:
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    return [(row.line, dict(row.values)) for row in join_rows(open_table(str(path)), "s", **options).rows]


def test_the_sentence_is_filled_in_forwards(tmp_path: Path) -> None:
    content = 's,word,tag,doc\nS1,Anna,B-PER,a\n,NA,O,\n,",",O,\nS2,Why,O,b\nS2,?,O,b\n'
    assert rows(tmp_path, content, kept=["doc"]) == [
        (2, {"s": "S1", "word": ["Anna", "NA", ","], "tag": ["B-PER", "O", "O"], "doc": "a"}),
        (5, {"s": "S2", "word": ["Why", "?"], "tag": ["O", "O"], "doc": "b"}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("s,word\n,Anna\n", r"line 2: column 's' \(data.sentence_column\) is empty at the first word"),
        ("s,word\n1,a\n2,b\n1,c\n", "line 4: the sentence '1' of column 's' goes on after another"),
    ],
)
def test_sentences_that_cannot_be_put_together(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows(tmp_path, content)
