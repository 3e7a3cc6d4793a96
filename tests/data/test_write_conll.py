from pathlib import Path

import pytest

from ftkit.data.readers import open_table
from ftkit.data.writers import open_writer
from ftkit.errors import UserError


def test_a_word_and_its_tag_a_line(tmp_path: Path) -> None:
    path = tmp_path / "out.conll"
    rows = [{"id": 0, "words": ["New", "York\tCity", "a\u2028b"], "tags": ["B-LOC", "I-LOC", "O"]}]
    with open_writer(path) as writer:
        for row in [*rows, {"id": 1, "words": ["x"], "tags": ["O"], "entities": []}]:
            writer.write(row)
    assert path.read_text(encoding="utf-8") == "New\tB-LOC\nYork City\tI-LOC\na\u2028b\tO\n\nx\tO\n\n"
    assert [row.values["tokens"] for row in open_table(str(path)).rows] == [["New", "York City", "a\u2028b"], ["x"]]


def test_rows_without_tags_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.conll"
    with (
        pytest.raises(UserError, match="holds words with tags; these predictions have none"),
        open_writer(path) as writer,
    ):
        writer.write({"id": 0, "label": "a"})
    assert not path.exists()
