from pathlib import Path
from typing import Any

import pytest

from ftkit.data.readers import ReadOptions, open_table
from ftkit.data.readers.conll import read
from ftkit.errors import DataError


def sentences(path: Path, content: str | bytes, **options: Any) -> list[tuple[int, list[str], list[str] | None]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read(path, ReadOptions(**options))
    return [(row.line, row.values["tokens"], row.values.get("tags")) for row in table.rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.conll"


def test_tabs_blank_lines_with_a_tab_and_no_last_line_end(path: Path) -> None:
    """The lines of a real file: W-NUT 2017."""
    content = "Empire\tB-location\nState\tI-location\n\t\n\n \t \n#photography\tO\n'm\tO"
    assert sentences(path, content) == [
        (1, ["Empire", "State"], ["B-location", "I-location"]),
        (6, ["#photography", "'m"], ["O", "O"]),
    ]


def test_spaces_extra_columns_and_document_starts(path: Path) -> None:
    content = "-DOCSTART- -X- -X- O\n\nEU  NNP B-NP B-ORG\r\nrejects VBZ B-VP O\r\n\r\n"
    content += "-DOCSTART- -X- -X- O\r\n\r\nPeter NNP B-NP B-PER\r\n"
    assert sentences(path, content) == [(3, ["EU", "rejects"], ["B-ORG", "O"]), (8, ["Peter"], ["B-PER"])]
    table = read(path, ReadOptions())
    assert table.columns == ("tokens", "tags", "0", "1", "2", "3")
    assert [row.values["1"] for row in table.rows] == [["NNP", "VBZ"], ["NNP"]]


def test_comments_before_a_sentence_only(path: Path) -> None:
    content = "# id 7\tx\ty\n# text = # rain\n#\tO\nrain\tB-x\n\n#\nsun\tO\n"
    assert sentences(path, content) == [(3, ["#", "rain"], ["O", "B-x"]), (7, ["sun"], ["O"])]


def test_words_stay_as_they_are(path: Path) -> None:
    words = ["NA", "null", "1,000", '"', "a b", "\u200b", "\u00a0", "👍🏽", "e\u0301", "  x"]
    content = "".join(f"{word}\tO\n" for word in words)
    assert sentences(path, content) == [(1, words, ["O"] * len(words))]


def test_words_alone(path: Path) -> None:
    assert sentences(path, "Anna\nleft\n\nBo\n") == [(1, ["Anna", "left"], None), (4, ["Bo"], None)]


def test_a_byte_order_mark_that_was_left_behind_is_no_word(path: Path) -> None:
    assert sentences(path, "\ufeffAnna\tO\n\ufeff") == [(1, ["Anna"], ["O"])]


def test_declared_delimiter(path: Path) -> None:
    assert sentences(path, "a b O\n", delimiter=" ") == [(1, ["a"], ["O"])]
    assert sentences(path, "a|O\nb c|O\n", delimiter="|") == [(1, ["a", "b c"], ["O", "O"])]


@pytest.mark.parametrize("content", ["Anna\tO\nleft\n", "Anna\tO\nleft\t\n", "Anna O\nleft\n"])
def test_a_word_without_a_tag(path: Path, content: str) -> None:
    with pytest.raises(DataError, match=r"data.conll, line 2: the word 'left' has no tag.\nFix: write its tag after"):
        sentences(path, content)


def test_a_hash_tag_without_a_tag_is_no_comment(path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: the word '#nfl' has no tag(.|\n)*A comment begins with '# '"):
        sentences(path, "Anna\tO\n\n#nfl\n")


def test_another_number_of_columns(path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: 3 columns between tabs, but the lines before have 2: 'a \| b \| O'"):
        sentences(path, "Anna\tO\na\tb\tO\n")


def test_an_empty_word(path: Path) -> None:
    with pytest.raises(DataError, match="line 2: the word is empty"):
        sentences(path, "Anna\tO\n\tO\n")


@pytest.mark.parametrize("content", ["\n \t\n", "-DOCSTART- O\n\n"])
def test_no_words(path: Path, content: str) -> None:
    with pytest.raises(DataError, match="is empty: it has no words"):
        sentences(path, content)


def test_real_files_are_read_exactly(real_data: Path) -> None:
    """The counts that Derczynski et al. (2017, W17-4418) print: sentences and words."""
    expected = {"train": (3394, 62730), "dev": (1009, 15733), "test": (1287, 23394)}
    for name, (num_sentences, num_words) in expected.items():
        rows = list(open_table(str(real_data / "wnut17" / f"{name}.conll")).rows)
        assert len(rows) == num_sentences
        assert sum(len(row.values["tokens"]) for row in rows) == num_words


def test_columns_between_commas_are_told_with_the_delimiter(path: Path) -> None:
    path.write_text("Anna,B-PER\nleft,O\n")
    told = str(open_table(str(path)).missing_column("tags", role="tags"))
    assert told.endswith('Fix: data.delimiter: ","')
    assert sentences(path, path.read_bytes(), delimiter=",") == [(1, ["Anna", "left"], ["B-PER", "O"])]
