"""What of a tuned model is frozen, where layers are trained whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import cells
import tiny
from ftkit.config.run_config import load_config
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.frozen import frozen_modules, frozen_prefix
from ftkit.tuners.spec import TunerSpec

CONFIG = {"task": "text-classification", "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": "x"}
LAST_LAYER = {"method": "last-layers", "num_layers": 1}


def tuned(name: str, tuner: dict[str, Any], checkpoint: Callable[[str], Path]) -> Any:
    adapter = cells.make_adapter("text-classification", name, checkpoint)
    built = adapter.objective.build()
    return apply_tuner(built.model, built.new_parameters, TunerSpec(**tuner), peft_task="SEQ_CLS")


@pytest.mark.parametrize(
    ("name", "tuner", "count"),
    [
        ("bert", {"method": "head-only"}, 2),
        ("bert", LAST_LAYER, 1),
        ("bert", {"method": "last-layers"}, 0),  # both of its layers are trained
        ("gpt2", LAST_LAYER, 1),
        ("bart", {"method": "head-only"}, 0),  # it has two stacks
    ],
)
def test_the_prefix_is_what_lies_before_the_first_trained_layer(
    checkpoint: Callable[[str], Path], name: str, tuner: dict[str, Any], count: int
) -> None:
    assert len(frozen_prefix(tuned(name, tuner, checkpoint))) == count


def test_neither_the_head_nor_trained_layers_are_frozen(checkpoint: Callable[[str], Path]) -> None:
    model = tuned("bert", LAST_LAYER, checkpoint)
    base = model.get_base_model()
    first, last = base.bert.encoder.layer
    frozen = {model.get_submodule(name) for name in frozen_modules(model)}
    assert {base.bert, base.bert.embeddings.dropout, base.bert.encoder, *first.modules()} <= frozen
    assert not frozen & {base, base.dropout, *base.classifier.modules(), *last.modules()}


@pytest.mark.parametrize(
    ("tuner", "num_still"), [({"method": "head-only"}, 3), (LAST_LAYER, 2), ({"method": "lora"}, 0)]
)
def test_frozen_layers_compute_without_dropout_while_the_rest_is_trained(
    tmp_path: Path, tuner: dict[str, Any], num_still: int
) -> None:
    """Features are the same in every epoch; the body's states after the embeddings, the first and the last layer."""
    folder = tiny.make_checkpoint("bert", tmp_path, dropout=0.5)
    model = tuned("bert", tuner, lambda _: folder).train()
    ids = torch.tensor([[2, 159, 149, 3]])
    once, again = (model(input_ids=ids, output_hidden_states=True) for _ in range(2))
    equal = [torch.equal(one, other) for one, other in zip(once.hidden_states, again.hidden_states, strict=True)]
    assert equal == [True] * num_still + [False] * (3 - num_still)
    assert not torch.equal(once.logits, again.logits), "the head has dropout of its own"


def test_other_methods_refuse_the_key() -> None:
    with pytest.raises(ConfigError, match="lora does not read cache_frozen"):
        load_config({**CONFIG, "tuner": {"method": "lora", "cache_frozen": True}})
    for stated, meant in (({}, True), ({"cache_frozen": False}, False)):
        tuner = load_config({**CONFIG, "tuner": {"method": "head-only", **stated}}).tuner
        assert tuner.option("cache_frozen") is meant
