"""How long sources and targets may be, and that the same text is encoded alike wherever it is met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from pairs import make_pairs, make_sources, make_translator

OPTIONS: dict[str, dict[str, Any]] = {"gpt2": {"prompt_template": "{source}\n"}}
"""What a checkpoint needs to translate."""

every_family = pytest.mark.parametrize("model", ["marian", "bart", "gpt2"])


# --- lengths ---


@every_family
def test_a_target_longer_than_the_model_is_cut_and_counted(checkpoint: Callable[[str], Path], model: str) -> None:
    adapter = make_translator(checkpoint(model), **OPTIONS.get(model, {}))
    examples = make_pairs(("rain", "the cold rain " * 200), ("rain", "card"))
    adapter.preprocessor.fit(examples)
    encoded = adapter.preprocessor.encode(examples, targets=True)
    assert encoded.cut == {"source": 0, "target": 1}
    assert encoded.costs.max() == tiny.MAX_POSITIONS
    batch = tiny.batch_of(adapter, encoded)
    losses = adapter.objective.loss(adapter.objective.build().model(**batch.inputs), batch)
    assert torch.isfinite(losses).all()
    assert adapter.preprocessor.max_new_tokens < tiny.MAX_POSITIONS


def test_lengths_can_be_set(checkpoint: Callable[[str], Path]) -> None:
    generation = {"max_new_tokens": 7, "num_beams": 2}
    adapter = make_translator(checkpoint("marian"), max_length=4, max_target_length=3, generation=generation)
    examples = make_pairs(("the cold rain and wind", "the cold rain and wind"))
    row = adapter.preprocessor.encode(examples, targets=True).rows[0]
    assert (len(row["input_ids"]), len(row["labels"])) == (4, 3)
    assert row["input_ids"][-1] == adapter.preprocessor.processor.eos_token_id
    config = adapter.objective.build().model.generation_config
    assert (config.max_new_tokens, config.num_beams) == (7, 2)


def test_nothing_is_written_beyond_the_positions(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("bart"), generation={"max_new_tokens": 10_000})
    assert adapter.preprocessor.max_new_tokens == tiny.MAX_POSITIONS - 1


def test_texts_to_come_may_be_a_quarter_longer_than_those_of_train(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("marian"))
    assert adapter.preprocessor.resolved_options == {"max_new_tokens": None, "longest_source": None}
    adapter.preprocessor.fit(make_pairs(("rain", "the cold rain"), ("rain", "card")))  # 3 words and </s>
    assert adapter.preprocessor.resolved_options == {"max_new_tokens": 5, "longest_source": 1}
    adapter.preprocessor.fit(make_pairs(("rain", "card")))
    assert adapter.preprocessor.max_new_tokens == 5, "what is known is kept"


@every_family
def test_a_longer_source_may_have_a_longer_text(checkpoint: Callable[[str], Path], model: str) -> None:
    preprocessor = make_translator(checkpoint(model), **OPTIONS.get(model, {})).preprocessor
    preprocessor.fit(make_pairs(("the cold rain", "rain the cold"), ("rain", "card")))  # 3 words and an end
    assert preprocessor.longest_source == len(preprocessor.processor.tokenize("the cold rain"))
    most = preprocessor.max_new_tokens
    sources = make_sources("rain", "the cold rain", "the cold rain the", "the cold rain " * 5, "rain " * 1000)
    lengths = preprocessor.encode(sources, targets=False).costs.tolist()
    found = preprocessor.most_written(lengths)
    assert found[:3] == [most, most, 2 * most]
    assert found[3] in (4 * most, 8 * most), "a word after a space may be fewer tokens than one at the beginning"
    room = tiny.MAX_POSITIONS - (lengths[-1] if model == "gpt2" else 1)
    assert found[4] <= room if model != "marian" else found[4] > 8 * most
    again = make_translator(checkpoint(model), **OPTIONS.get(model, {}), **preprocessor.resolved_options).preprocessor
    assert again.most_written(lengths) == found


def test_a_limit_of_the_users_is_kept_whatever_is_read(checkpoint: Callable[[str], Path]) -> None:
    options = {"max_new_tokens": 5, "longest_source": 3, "generation": {"max_new_tokens": 9}}
    preprocessor = make_translator(checkpoint("marian"), **options).preprocessor
    assert preprocessor.longest_source is None, "so nothing is derived from it"


@pytest.mark.parametrize("model", ["t5", *every_family.args[1]])
def test_an_end_token_inside_a_target_ends_nothing(checkpoint: Callable[[str], Path], model: str) -> None:
    preprocessor = make_translator(checkpoint(model), **OPTIONS.get(model, {})).preprocessor
    end = preprocessor.target_tokenizer.eos_token
    target = f"the {end}rain{end} will stop"
    (row,) = preprocessor.encode(make_pairs(("rain", target)), targets=True).rows
    labels = [id_ for id_ in row["labels"] if id_ >= 0]
    assert labels.index(preprocessor.end_id) == len(labels) - 1
    assert preprocessor.target_tokenizer.decode(labels, skip_special_tokens=True).strip() == target


# --- equal in, equal out ---


@every_family
@pytest.mark.parametrize("targets", [True, False])
def test_encoding_changes_nothing(checkpoint: Callable[[str], Path], model: str, targets: bool) -> None:
    adapter = make_translator(checkpoint(model), **OPTIONS.get(model, {}))
    first, others = make_pairs(("rain", "card")), make_pairs(("rain " * 400, "the cold rain " * 60), ("rain", "card"))
    before = adapter.preprocessor.encode(first, targets=targets)
    whole = adapter.preprocessor.encode(others, targets=targets)
    assert adapter.preprocessor.encode(first, targets=targets).rows.to_list() == before.rows.to_list()
    assert whole.rows[1] == before.rows[0], "a row depends on its own example alone"
    assert adapter.preprocessor.resolved_options == {"max_new_tokens": None, "longest_source": None}


def test_a_decoder_cuts_a_long_source_at_one_place_in_training_and_in_prediction(
    checkpoint: Callable[[str], Path],
) -> None:
    long = "the cold rain and the salt in the soup " * 40
    template = {"prompt_template": "read {source} and say:"}
    for target in ("card", "the cold rain " * 10):
        adapter = make_translator(checkpoint("gpt2"), **template)
        adapter.preprocessor.fit(make_pairs((long, target)))
        # Inference makes its own adapter, from what was resolved.
        later = make_translator(checkpoint("gpt2"), **template, **adapter.preprocessor.resolved_options)
        (asked,) = later.preprocessor.encode(make_sources(long), targets=False).rows["input_ids"]
        for written in (target, "sun"):
            encoded = adapter.preprocessor.encode(make_pairs((long, written)), targets=True)
            row = encoded.rows[0]
            assert row["input_ids"][: len(asked)] == asked
            assert row["labels"].count(-100) == len(asked)
            assert encoded.cut == {"source": 1, "target": 0}
        room = tiny.MAX_POSITIONS - adapter.preprocessor.max_new_tokens
        assert room - 10 < len(asked) <= room, "as much of the source is read as there is room for"


@every_family
def test_rows_to_score_are_those_of_prompts_and_of_pairs(checkpoint: Callable[[str], Path], model: str) -> None:
    adapter = make_translator(checkpoint(model), **OPTIONS.get(model, {}))
    examples = make_pairs(("my card", "the cold rain"), ("rain " * 400, "card"))
    scored = adapter.preprocessor.encode_to_score(examples)
    for found, targets in ((scored.inputs, False), (scored.targets, True)):
        expected = adapter.preprocessor.encode(examples, targets=targets)
        assert found.rows.to_list() == expected.rows.to_list()
        assert found.costs.tolist() == expected.costs.tolist()
        assert found.cut == expected.cut
    assert "labels" not in scored.inputs.rows.column_names


# --- batches ---


def test_a_row_is_as_long_as_its_longer_side(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("marian"))
    examples = make_pairs(("the cold rain today", "card"), ("card", "the cold rain"))  # and an end each
    encoded = adapter.preprocessor.encode(examples, targets=True)
    assert encoded.costs.tolist() == [5, 4]
    assert adapter.preprocessor.encode(examples, targets=False).costs.tolist() == [5, 2]
    batch = tiny.batch_of(adapter, encoded)
    assert {name: tuple(tensor.shape) for name, tensor in batch.inputs.items()} == {
        "input_ids": (2, 5),
        "attention_mask": (2, 5),
        "decoder_input_ids": (2, 4),
    }
    assert batch.labels.shape == (2, 4)
    assert (batch.labels[0, 2:] == -100).all()
    assert adapter.count_items(encoded) == 6


def test_a_decoder_continues_prompts_that_end_together(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("gpt2"), **OPTIONS["gpt2"])
    pad = adapter.preprocessor.processor.pad_token_id
    examples = make_pairs(("rain", "sun"), ("the cold rain", "sun"))
    prompts = tiny.batch_of(adapter, adapter.preprocessor.encode(examples, targets=False))
    mask, ids = prompts.inputs["attention_mask"], prompts.inputs["input_ids"]
    assert (ids[:, -1] == ids[0, -1]).all()
    assert mask[0, 0] == 0
    assert ids[0, 0] == pad
    assert (prompts.labels, prompts.lengths) == (None, None)
    rows = tiny.batch_of(adapter, adapter.preprocessor.encode(examples, targets=True))
    assert rows.inputs["attention_mask"][:, 0].tolist() == [1, 1]
    assert rows.lengths == rows.inputs["attention_mask"].sum(1).tolist()
