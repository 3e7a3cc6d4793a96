"""Hidden tokens: how many, which, and that they are the same where they have to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.adapters.preprocessors.blocks import cut_blocks
from ftkit.adapters.preprocessors.masked_text import MaskedTextPreprocessor, choose, num_chosen
from ftkit.adapters.preprocessors.word_numbers import word_numbers
from ftkit.errors import CheckpointError, ConfigError, DataError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import TextExample

TEXTS = ["the cold rain will not stop today", "zebras win", "who won the game tonight?"]
ENCODERS = ("bert", "distilbert", "roberta", "deberta-v2", "modernbert", "electra", "albert", "xlm-roberta")


@pytest.fixture
def make(checkpoint: Callable[[str], Path]) -> Callable[..., MaskedTextPreprocessor]:
    def preprocessor(model_type: str = "bert", **options: Any) -> MaskedTextPreprocessor:
        return MaskedTextPreprocessor(inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(model_type)))), **options)

    return preprocessor


def examples(*texts: str) -> list[TextExample]:
    return [TextExample(id=index, text=text, line=index + 1) for index, text in enumerate(texts)]


def rows_of(preprocessor: MaskedTextPreprocessor, *texts: str) -> list[dict[str, Any]]:
    return preprocessor.encode(examples(*texts), targets=True).rows.to_list()


# --- which tokens are chosen ---


@pytest.mark.parametrize(
    ("tokens", "share", "number"), [(100, 0.15, 15), (3, 0.15, 1), (1, 0.9, 1), (10, 0.25, 3), (2, 0.99, 2)]
)
def test_the_share_is_rounded_and_one_token_at_least(tokens: int, share: float, number: int) -> None:
    assert num_chosen(tokens, share) == number
    chosen = choose(np.arange(tokens), share, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == number


def test_the_example_of_the_docstring() -> None:
    words = np.array([-1, 0, 1, 1, 1, 2, -1])
    assert {tuple(choose(words, 0.4, np.random.default_rng(seed))) for seed in range(20)} == {(1, 5)}


def test_words_are_chosen_as_a_whole_and_equally_often() -> None:
    words = np.array([-1, *np.repeat(np.arange(20), 2), -1])
    counts: Counter[int] = Counter()
    for seed in range(400):
        chosen = choose(words, 0.15, np.random.default_rng(seed))
        assert len(chosen) == 6
        assert (np.bincount(words[chosen], minlength=20) % 2 == 0).all()
        counts.update(words[chosen].tolist())
    assert min(counts.values()) / max(counts.values()) > 0.6


def test_a_word_longer_than_the_share_is_chosen_where_there_is_no_other() -> None:
    assert choose(np.array([-1, 0, 0, 0, -1]), 0.15, np.random.default_rng(0)).tolist() == [1, 2, 3]
    assert choose(np.array([-1, -1]), 0.15, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize(
    ("model_type", "text", "words"),
    [
        ("bert", "the zebra won't", "the z##e##b##r##a won ' t"),
        ("roberta", "the zebra won't", "the Ġzebra Ġwon 't"),
        ("modernbert", "rain zebra", "rain Ġzebra"),
        ("albert", "the zebra, rain", "▁the ▁zebra, ▁rain"),
        ("xlm-roberta", "the zebra", "▁the ▁zebra"),
        ("xlm-roberta", "rain 雨が降る", "▁rain ▁雨が降る"),  # its vocabulary has none of them: one unknown
    ],
)
def test_words_of_every_sort_of_tokenizer(make: Any, model_type: str, text: str, words: str) -> None:
    tokenizer = make(model_type).processor
    encoding = tokenizer([text], add_special_tokens=False)
    numbers = word_numbers(tokenizer, encoding, 0, text)
    found: dict[int, str] = {}
    for number, token in zip(numbers, encoding.encodings[0].tokens, strict=True):
        found[number] = found.get(number, "") + token
    assert " ".join(found.values()) == words


def test_a_character_without_spaces_around_it_is_a_word_and_its_bytes_belong_together(make: Any) -> None:
    tokenizer = make("roberta").processor
    encoding = tokenizer(["rain 雨天"], add_special_tokens=False)
    assert word_numbers(tokenizer, encoding, 0, "rain 雨天") == [0] * 4 + [1] * 4 + [2] * 3


def test_a_slow_tokenizer_tells_words_by_its_pieces(make: Any) -> None:
    class Slow:
        is_fast = False

        def __init__(self, tokens: str) -> None:
            self.tokens = tokens.split()

        def convert_ids_to_tokens(self, ids: Any) -> list[str]:
            return self.tokens

    for tokens in ("the z ##eb ##ra", "▁the ▁z eb ra", "the Ġz eb ra"):
        assert word_numbers(Slow(tokens), {"input_ids": [None]}, 0, "the zebra") == [0, 1, 1, 1]  # type: ignore[arg-type]


# --- examples -> rows ---


@pytest.mark.parametrize("model_type", ENCODERS)
@pytest.mark.parametrize("whole", [False, True])
def test_no_token_of_a_long_document_is_lost_or_read_twice(make: Any, model_type: str, whole: bool) -> None:
    preprocessor = make(model_type, max_length=9, whole_word_mask=whole)
    text = " ".join(TEXTS * 3)
    encoded = preprocessor.encode(examples(TEXTS[1], text), targets=True)
    special = preprocessor.special
    rows = [row["input_ids"] for row in encoded.rows.to_list()]
    assert max(map(len, rows)) <= 9
    assert all(tuple(ids[: len(special.before)]) == special.before for ids in rows)
    inside = [id_ for ids in rows[encoded.first_rows[1] :] for id_ in ids[len(special.before) : -len(special.after)]]
    assert inside == preprocessor.processor(text, add_special_tokens=False)["input_ids"]
    assert encoded.first_rows.tolist()[-1] == len(rows)
    assert encoded.costs.tolist() == list(map(len, rows))
    num_tokens = sum(
        len(preprocessor.processor(one, add_special_tokens=False)["input_ids"]) for one in (TEXTS[1], text)
    )
    assert preprocessor.counted(encoded) == f"{num_tokens} tokens in {len(rows)} rows, each read once"


def test_blocks_are_even_and_end_between_words() -> None:
    assert cut_blocks([0, 1, 1, 2, 3, 3, 3, 4, 5, 5], 6) == [(0, 4), (4, 10)]
    assert cut_blocks(range(11), 5) == [(0, 4), (4, 8), (8, 11)]
    assert cut_blocks(range(3), None) == [(0, 3)]
    assert cut_blocks([], 4) == [(0, 0)]
    assert cut_blocks([7] * 9, 4) == [(0, 3), (3, 6), (6, 9)]  # one word, longer than the model reads
    for seed in range(30):
        words = np.repeat(np.arange(40), np.random.default_rng(seed).integers(1, 6, 40)).tolist()
        blocks = cut_blocks(words, 11)
        assert [index for start, stop in blocks for index in range(start, stop)] == list(range(len(words)))
        assert max(stop - start for start, stop in blocks) <= 11


def test_a_text_to_predict_needs_something_hidden(make: Any) -> None:
    preprocessor = make("roberta")
    one, other = (preprocessor.encode(examples(f"rain {mask} stop"), targets=False) for mask in ("<mask>", "[MASK]"))
    assert one.rows.to_list() == other.rows.to_list()
    assert preprocessor.processor.mask_token_id in one.rows[0]["input_ids"]
    with pytest.raises(DataError, match="there is no <mask> in the text"):
        preprocessor.encode(examples("rain"), targets=False)


# --- rows -> batches ---


@pytest.mark.parametrize("model_type", ENCODERS)
def test_special_tokens_are_never_hidden_and_labels_are_what_stood_there(make: Any, model_type: str) -> None:
    preprocessor = make(model_type, mlm_probability=0.9)
    rows = rows_of(preprocessor, *TEXTS, f"{preprocessor.processor.mask_token} rain")
    batch = preprocessor.collate(rows, training=False)
    special = set(preprocessor.processor.all_special_ids)
    for row, ids, labels in zip(rows, batch.inputs["input_ids"].tolist(), batch.labels.tolist(), strict=True):
        for place, id_ in enumerate(row["input_ids"]):
            assert labels[place] in (-100, id_)
            assert not (id_ in special and labels[place] != -100)
            assert labels[place] != -100 or ids[place] == id_
        assert set(labels[len(row["input_ids"]) :]) <= {-100}


def test_what_is_hidden_in_training_depends_on_the_generator_of_the_row(make: Any) -> None:
    preprocessor = make()
    rows = rows_of(preprocessor, *TEXTS)

    def labels(rows: list[Any], *seeds: int) -> list[list[int]]:
        rngs = [np.random.default_rng(seed) for seed in seeds]
        found = preprocessor.collate(rows, training=True, rngs=rngs).labels.tolist()
        return [[id_ for id_ in row if id_ != -100] for row in found]

    assert labels(rows, 1, 2, 3) == labels(rows[::-1], 3, 2, 1)[::-1]
    assert labels([rows[0]] * 8, *range(8)) != labels([rows[0]] * 8, *range(8, 16))


def test_what_is_hidden_to_be_scored_is_always_the_same(make: Any) -> None:
    preprocessor = make()
    rows = rows_of(preprocessor, *TEXTS)
    once, again = (preprocessor.collate(rows, training=False) for _ in range(2))
    alone = preprocessor.collate(rows[1:2], training=False, rngs=[np.random.default_rng(5)])
    assert once.inputs["input_ids"].tolist() == again.inputs["input_ids"].tolist()
    width = len(rows[1]["input_ids"])
    assert alone.inputs["input_ids"][0].tolist() == once.inputs["input_ids"][1, :width].tolist()


def test_eight_of_ten_are_masked_one_is_another_and_one_stays(make: Any) -> None:
    preprocessor = make(mlm_probability=0.5)
    (row,) = rows_of(preprocessor, " ".join(["the cold rain will not stop"] * 20))
    mask, shown, others = preprocessor.processor.mask_token_id, Counter[str](), set()
    for seed in range(60):
        batch = preprocessor.collate([row], training=True, rngs=[np.random.default_rng(seed)])
        for id_, label in zip(batch.inputs["input_ids"][0].tolist(), batch.labels[0].tolist(), strict=True):
            if label != -100:
                shown["mask" if id_ == mask else "same" if id_ == label else "other"] += 1
                others.add(id_)
    total = sum(shown.values())
    shares = {name: count / total for name, count in shown.items()}
    assert shares["mask"] == pytest.approx(0.8, abs=0.02)
    assert shares["other"] == pytest.approx(0.1, abs=0.02)
    assert shares["same"] == pytest.approx(0.1, abs=0.02)
    assert others & set(preprocessor.processor.all_special_ids) == {mask}


def test_limits_and_tokenizers_that_do_not_do(make: Any, checkpoint: Any) -> None:
    with pytest.raises(ConfigError, match="data.max_length: 2 tokens leave no room beside the 2 special"):
        make(max_length=2)
    with pytest.raises(CheckpointError, match="has no mask token"):
        make("gpt2")
