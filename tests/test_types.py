from __future__ import annotations

import pytest

from ftkit.types import TextExample, TextToTextExample, TokenExample, natural_sort

EXAMPLES = [
    (TextExample(id=1, text="a\n b", label="x", line=3), "a b", 4),
    (TextExample(id=1, text="a b", text_pair=" c  d ", label="x"), "a b c d", 9),
    (TokenExample(id=1, words=("New", "York", 5), tags=("B-LOC", "I-LOC", "O")), "New York 5", 8),
    (TextToTextExample(id=1, source="a\tb", target="c"), "a b", 3),
]


@pytest.mark.parametrize(("example", "summary", "size"), EXAMPLES)
def test_an_example_in_one_line_and_its_size(example: TextExample, summary: str, size: int) -> None:
    assert example.summary() == summary
    assert example.size == size


def test_equal_inputs_have_equal_keys() -> None:
    text = TextExample(id=1, text="a", label="x", line=1)
    assert text.key() == TextExample(id=2, text="a", label="y", line=9).key()
    assert text.key() != TextExample(id=1, text="a", text_pair="b", label="x", line=1).key()
    words = TokenExample(id=1, words=("a", "b"), tags=("O", "O"))
    assert words.key() == TokenExample(id=2, words=("a", "b"), text="a b").key()
    assert words.key() != TokenExample(id=1, words=("a b",), tags=("O",)).key()
    source = TextToTextExample(id=1, source="a", target="b")
    assert source.key() == TextToTextExample(id=2, source="a", target="c").key()
    assert len({example.key() for example, _, _ in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(
    "names",
    [
        ["-1", "1"],
        ["-10", "-2", "0", "2", "10"],
        ["-1", "-.5", "+0.5", "0.75", "1e1", "20"],
        ["01", "1", "1.0", "2"],  # equal numbers by spelling
        ["Sport", "food", "label_2", "label_10"],
        ["1", "-1", "neutral"],  # names that are not all numbers are names
        ["2020-9", "2020-10"],
        ["1", "9" * 20_000],
    ],
)
def test_names_are_sorted_naturally_and_numbers_as_numbers(names: list[str]) -> None:
    assert natural_sort(reversed(names)) == names
