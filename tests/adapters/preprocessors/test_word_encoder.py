"""Words become pieces and can be found again, for every tokenizer and every text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from ftkit.adapters.preprocessors.word_encoder import WordEncoder
from ftkit.types import TokenExample
from tagged import make_tagger

MODEL_TYPES = [name for name in tiny.MODEL_TYPES if name not in ("opt", "bart", "mbart")]
TRICKY = (
    "👍🏽",  # an emoji of two code points
    "👩\u200d👩\u200d👧",
    "e\u0301te\u0301",  # combining marks
    "\u200b",  # nothing is left of these in normalisation
    "\ufe0f",
    "\u00ad",
    "שלום",  # from right to left
    "مرحبا",
    "北京",
    "हिन्दी",
    "İstanbul",
    "ﬁn",  # a ligature that normalisation takes apart
    "don't",
    "#nfl",
    "http://t.co/" + "x" * 40,
    " ",
    "\t",
    "a b",  # a word with a space inside
    "[SEP]",
    "</s>",
    "<|endoftext|>",
    "\x00",
)
words = st.one_of(st.sampled_from(TRICKY), st.sampled_from(tiny.WORDS), st.text(min_size=1, max_size=12))


@pytest.fixture(scope="module")
def reader(checkpoint: Callable[[str], Path]) -> Callable[[str], Any]:
    """`reader("bert")` is the preprocessor of a tagger, made once."""
    return functools.cache(lambda model_type: make_tagger(checkpoint(model_type)).preprocessor)


@pytest.fixture(scope="module")
def encoder(reader: Callable[[str], Any]) -> Callable[[str], WordEncoder]:
    return lambda model_type: reader(model_type).words


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@settings(max_examples=60, deadline=None)
@given(sentence=st.lists(words, min_size=1, max_size=12))
def test_every_word_has_pieces_and_one_place(
    model_type: str, sentence: list[str], reader: Callable[[str], Any]
) -> None:
    """Words -> pieces -> words is the identity: a text's rows hold the pieces of its words, in order, whole."""
    reads = reader(model_type)
    example = TokenExample(id=0, words=tuple(sentence), tags=("O",) * len(sentence))
    special, rest = reads.words.special, iter(sentence)
    for row in reads.encode([example], targets=True).rows.to_list():
        assert reads.max_length is None or len(row["input_ids"]) <= reads.max_length
        assert [place for place, label in enumerate(row["labels"]) if label != -100] == row["word_positions"]
        for position in row["word_positions"]:
            pieces = list(reads.words.pieces(next(rest)))
            assert pieces
            start = position if reads.label_piece == "first" else position - len(pieces) + 1
            assert row["input_ids"][start : start + len(pieces)] == pieces
            assert len(special.before) <= start
            assert start + len(pieces) <= len(row["input_ids"]) - len(special.after)
    assert next(rest, None) is None


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_words_have_the_pieces_that_they_have_in_a_text(
    model_type: str, encoder: Callable[[str], WordEncoder]
) -> None:
    """Apart from its first word, which has no space before it, a text's pieces are those of its words."""
    text = "please block the card today"
    found = [id_ for word in text.split()[1:] for id_ in encoder(model_type).pieces(word)]
    whole = encoder(model_type).tokenizer(text, add_special_tokens=False)["input_ids"]
    assert whole[-len(found) :] == found


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_learning_many_words_at_once_gives_the_same(model_type: str, checkpoint: Callable[[str], Path]) -> None:
    sentence = [*TRICKY, *tiny.WORDS]
    one, many = (make_tagger(checkpoint(model_type)).preprocessor.words for _ in range(2))
    many.learn(sentence)
    assert [many.pieces(word) for word in sentence] == [one.pieces(word) for word in sentence]


@pytest.mark.parametrize(
    ("model_type", "before", "after"),
    [
        ("bert", ["[CLS]"], ["[SEP]"]),
        ("roberta", ["<s>"], ["</s>"]),
        ("gpt2", [], []),
        ("llama", ["<s>"], []),
        ("t5", [], ["</s>"]),
    ],
)
def test_special_tokens(
    model_type: str, before: list[str], after: list[str], encoder: Callable[[str], WordEncoder]
) -> None:
    words = encoder(model_type)
    assert words.tokenizer.convert_ids_to_tokens(list(words.special.before)) == before
    assert words.tokenizer.convert_ids_to_tokens(list(words.special.after)) == after


@pytest.mark.parametrize(
    ("model_type", "pieces"),
    [
        ("bert", ["my", "z", "##q"]),
        ("roberta", ["Ġmy", "Ġ", "z", "q"]),
        ("gpt2", ["Ġmy", "Ġ", "z", "q"]),
        ("llama", ["▁my", "▁", "z", "q"]),
        ("t5", ["▁my", "▁", "z", "q"]),
    ],
)
def test_literal_pieces(model_type: str, pieces: list[str], encoder: Callable[[str], WordEncoder]) -> None:
    words = encoder(model_type)
    ids = [*words.pieces("my"), *words.pieces("zq")]
    assert words.tokenizer.convert_ids_to_tokens(ids) == pieces


def test_a_word_that_vanishes_is_the_unknown_token(encoder: Callable[[str], WordEncoder]) -> None:
    words = encoder("bert")
    assert words.pieces("\u200b") == (words.tokenizer.unk_token_id,)
