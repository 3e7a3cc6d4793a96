"""Of texts far longer than a model reads only the beginning is tokenized, and rows are what they would have been."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cells
import tiny
from ftkit.adapters.preprocessors import long_texts, text
from ftkit.adapters.preprocessors.long_texts import beginning
from ftkit.types import LabelSpace, TextExample, TextToTextExample

LABELS = LabelSpace(("a", "b"))
SPICE = (
    "[SEP]",
    "</s>",
    "<|endoftext|>",
    "  ",
    " \n ",
    "\t",
    "e\u0301",
    "\u96e8",
    "\U0001f327",
    "lo" * 60,
    "2,500",
    "\u200b",
)


def messy_text(seed: int, num_words: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice([*tiny.WORDS, *SPICE]) + rng.choice((" ", " ", " ", "")) for _ in range(num_words))


def rows_of(encoded: Any) -> list[Any]:
    return [encoded.cut, encoded.costs.tolist(), encoded.rows.to_list()]


@pytest.mark.parametrize("name", ["bert", "roberta", "modernbert", "albert", "gpt2", "llama", "t5", "deberta-v2"])
def test_rows_are_those_of_the_whole_texts(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    preprocessor = tiny.make_adapter(checkpoint(name), LABELS, max_length=9).preprocessor
    texts = [messy_text(seed, size) for seed, size in enumerate((0, 3, 9, 30, 80, 80, 300))] + [
        "x" * 400,
        "rain " * 99,
    ]
    pairs = [
        TextExample(row, one, other, "a") for row, (one, other) in enumerate(zip(texts, texts[::-1], strict=True))
    ]
    singles = [TextExample(row, one, label="b") for row, one in enumerate(texts)]
    whole = [rows_of(preprocessor.encode(examples, targets=True)) for examples in (singles, pairs)]
    monkeypatch.setattr(long_texts, "LONG", 60)
    monkeypatch.setattr(text, "LONG", 60)
    assert [rows_of(preprocessor.encode(examples, targets=True)) for examples in (singles, pairs)] == whole
    assert whole[0][0]["input"] >= 4


@pytest.mark.parametrize("name", ["marian", "bart", "bert2bert"])
def test_pairs_to_translate_are_those_of_the_whole_texts(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    preprocessor = cells.make_adapter("translation", name, checkpoint, max_length=9, max_target_length=7).preprocessor
    texts = [messy_text(seed, size) for seed, size in enumerate((2, 9, 30, 80, 300))]
    examples = [TextToTextExample(row, *pair) for row, pair in enumerate(zip(texts, texts[::-1], strict=True))]
    whole = rows_of(preprocessor.encode(examples, targets=True))
    monkeypatch.setattr(long_texts, "LONG", 60)
    assert rows_of(preprocessor.encode(examples, targets=True)) == whole


def test_what_is_tokenized_of_ten_million_characters(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = tiny.make_adapter(checkpoint("bert"), LABELS).preprocessor.processor
    text = "our team won the cup " * 500_000
    kept = beginning(tokenizer, text, 512)
    assert text.startswith(kept)
    assert len(kept) < 50_001
    assert text[len(kept)] == " "
    assert len(beginning(tokenizer, text, 30_000)) > 200_000 - 20
    assert beginning(tokenizer, text[:50_000], 1) == text[:50_000]
    assert beginning(tokenizer, "a" * 60_000, 1) == "a" * 60_000, "nobody knows where it may be cut"


def test_a_tokenizer_that_does_not_separate_words_is_given_everything(checkpoint: Callable[[str], Path]) -> None:
    tokenizer = tiny.make_adapter(checkpoint("llama"), LABELS).preprocessor.processor
    text = "our team won the cup " * 5_000
    assert beginning(tokenizer, text, 5) == text
