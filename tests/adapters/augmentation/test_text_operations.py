"""Changes of texts: equal for equal generators, never empty, in every script, and never more tokens than was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from ftkit.adapters.augmentation.texts import TextAugment, Typos, with_texts
from ftkit.adapters.preprocessors.compared_texts import ComparedTextsPreprocessor
from ftkit.adapters.preprocessors.text import TextPreprocessor
from ftkit.adapters.preprocessors.words import WordPreprocessor
from ftkit.adapters.rows import SOURCE
from ftkit.data.similarity import SimilarityExample
from ftkit.errors import ConfigError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import CheckpointSpec, ModelSpec
from ftkit.types import CandidatesExample, LabelSpace, TextExample, TokenExample

TEXT = "The rain in Spain stays mainly in the plain, in 1964."
LABELS = LabelSpace(("no", "yes"))


def changed(text: str, seed: int = 0, **operations: Any) -> str:
    return TextAugment.model_validate(operations).changes(np.random.default_rng(seed))(text)


def edits(one: str, other: str) -> int:
    """Levenshtein's distance."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        before, row = row, [place]
        for column, found in enumerate(other):
            row.append(min(before[column] + (letter != found), before[column + 1] + 1, row[column] + 1))
    return row[-1]


def test_the_same_generator_gives_the_same_text():
    operations = {"word_dropout": True, "typos": {"share": 0.5}, "case": True}
    one, two, other = ([changed(TEXT, seed, **operations) for seed in seeds] for seeds in ((1, 2), (1, 2), (3, 4)))
    assert one == two != other


def test_about_their_share_of_the_words_is_left_out_and_one_stays():
    words = " ".join(str(number) for number in range(1000))
    found = changed(words, word_dropout={"share": 0.3}).split(" ")
    assert 650 < len(found) < 750
    assert [int(word) for word in found] == sorted(map(int, found))
    for text in ("rain", "a b", "  a\n\tb  ", "雨が降る", "ฝนตก"):
        for seed in range(30):
            assert changed(text, seed, word_dropout={"share": 0.9}).strip()
    assert changed("", word_dropout=True) == ""
    assert {len(changed("雨が降る", seed, word_dropout={"share": 0.5})) for seed in range(99)} == {1, 2, 3, 4}


def test_a_slip_changes_a_word_a_little_and_numbers_not_at_all():
    found = {changed("plain", seed, typos={"share": 0.9}) for seed in range(200)}
    assert {"lpain", "lain", "pplain", "llain"} <= found  # places changed, missing, doubled, another one
    assert all(1 <= edits("plain", one) <= 2 for one in found - {"plain"})
    assert changed("1964 a1b2 in to http://a.b", typos={"share": 0.9}) == "1964 a1b2 in to http://a.b"
    many = changed(" ".join(["plain"] * 1000), typos={"share": 0.2}).split(" ")
    assert len(many) == 1000
    assert 130 < sum(word != "plain" for word in many) < 210
    assert changed("  plain \n", typos={"share": 0.9}).strip() != ""


def test_all_texts_of_an_example_get_the_same_capitals():
    example = CandidatesExample(id=0, text="Rain", candidates=("Sun", "Snow"), question="What?", relevances=(1.0, 0.0))
    augment = TextAugment.model_validate({"case": {"to": ["upper"], "probability": 1}})
    found = with_texts(example, augment.changes(np.random.default_rng(0)))
    assert (found.text, found.question, found.candidates) == ("RAIN", "WHAT?", ("SUN", "SNOW"))
    assert found.relevances == (1.0, 0.0)
    pair = SimilarityExample(id=0, text="Rain", negatives=("Sun",))
    assert with_texts(pair, str.lower) == SimilarityExample(id=0, text="rain", negatives=("sun",))
    both = {changed("Rain", seed, case={"probability": 1}) for seed in range(20)}
    assert both == {"rain", "RAIN"}


# --- rows -----------------------------------------------------------------------------------------------------


def spec_of(model_type: str, folder: Path) -> CheckpointSpec:
    return inspect_checkpoint(ModelSpec(checkpoint=str(tiny.make_checkpoint(model_type, folder))))


@pytest.fixture(scope="module")
def roberta(tmp_path_factory) -> CheckpointSpec:
    return spec_of("roberta", tmp_path_factory.mktemp("roberta") / "model")


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> CheckpointSpec:
    return spec_of("bert", tmp_path_factory.mktemp("bert") / "model")


def rngs(seed: int, count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, row]) for row in range(count)]


def test_rows_are_made_anew_within_their_bounds_and_only_in_training(roberta: CheckpointSpec):
    operations = {"typos": {"share": 0.5}, "word_dropout": {"share": 0.3}, "case": {"probability": 0.5}}
    reads, plain = (TextPreprocessor(roberta, LABELS, max_length=30, augment=one) for one in (operations, None))
    examples = [TextExample(id=0, text=TEXT * 3, label="yes"), TextExample(id=1, text="it stays plain", label="no")]
    encoded = reads.encode(examples, targets=True)
    assert plain.to_train(encoded, examples) is encoded
    to_train = reads.to_train(encoded, examples)
    assert to_train.rows is encoded.rows  # what is cached is the plain text, whatever training makes of it
    rows, seen = to_train.rows_to_train([0, 1]), set()
    for seed in range(60):
        batch = reads.collate(rows, training=True, rngs=rngs(seed, 2))
        assert batch.labels.tolist() == [1, 0]
        assert all(length <= most for length, most in zip(batch.lengths, to_train.costs, strict=True))
        assert max(batch.lengths) <= 30
        seen.add(tuple(batch.inputs["input_ids"][1].tolist()))
    assert len(seen) > 20
    alone = reads.collate(rows[1:], training=True, rngs=rngs(0, 2)[1:])
    beside = reads.collate(rows, training=True, rngs=rngs(0, 2))
    length = alone.lengths[0]
    assert alone.inputs["input_ids"][0].tolist() == beside.inputs["input_ids"][1][:length].tolist()
    assert SOURCE not in encoded.rows.__getitems__([0])[0]


def test_texts_that_are_compared_keep_what_tells_equal_ones(roberta: CheckpointSpec):
    """A changed text is still the negative of no text that it was made from."""
    reads = ComparedTextsPreprocessor(roberta, None, prompts={"text": "q: "}, augment={"typos": {"share": 0.9}})
    examples = [SimilarityExample(id=number, text=TEXT, text_pair=f"plain {number}") for number in range(2)]
    encoded = reads.to_train(reads.encode(examples, targets=True), examples)
    one, other = (reads.collate(encoded.rows_to_train([0, 1]), training=True, rngs=rngs(seed, 2)) for seed in (0, 1))
    assert one.labels.tolist() == other.labels.tolist()
    assert one.labels[0, 0] == one.labels[1, 0]
    assert one.row_counts == [2, 2]
    assert one.inputs["input_ids"].tolist() != other.inputs["input_ids"].tolist()
    prompt = reads.processor("q:", add_special_tokens=True)["input_ids"][:-1]
    assert one.inputs["input_ids"][0, : len(prompt)].tolist() == prompt
    counted = encoded.rows_to_train([0])[0]
    assert counted[SOURCE].most % counted["num_texts"] == 0


def test_every_word_of_a_document_keeps_its_tag_in_the_row_that_answers_for_it(roberta: CheckpointSpec):
    labels = LabelSpace(("O", *(f"T{number}" for number in range(40))))
    words = tuple(["stays", "mainly", "plain", "Spain"] * 10)
    example = TokenExample(id=0, words=words, tags=tuple(f"T{number}" for number in range(40)))
    reads = WordPreprocessor(roberta, labels, max_length=32, augment={"typos": {"share": 0.3}, "case": True})
    encoded = reads.to_train(reads.encode([example], targets=True), [example])
    rows = encoded.rows_to_train(list(range(encoded.num_rows)))
    assert len(rows) > 2
    learnt: list[str] = []
    differs = 0
    for row, rng in zip(rows, rngs(0, len(rows)), strict=True):
        batch = reads.collate([row], training=True, rngs=[rng])
        assert batch.lengths[0] <= row[SOURCE].most <= 32
        learnt += [labels.names[label] for label in batch.labels[0].tolist() if label >= 0]
        differs += batch.inputs["input_ids"][0].tolist() != row["input_ids"]
    assert learnt == list(example.tags)
    assert differs > 0


def test_capitals_mean_nothing_to_a_tokenizer_of_small_letters(bert: CheckpointSpec):
    with pytest.raises(ConfigError, match=r"data.augment.case: the tokenizer of .* reads capitals as small letters"):
        TextPreprocessor(bert, LABELS, augment={"case": {}})


def test_what_may_grow_is_said_beforehand():
    augment = TextAugment.model_validate({"typos": {"share": 0.1}, "case": {"to": ["lower"]}})
    assert augment.longest(100) == pytest.approx(100 * 1.4 * 1.5 + 4, abs=1)
    assert TextAugment.model_validate({"word_dropout": True}).longest(100) == 100
    assert Typos(share=0.25).growth == 2
