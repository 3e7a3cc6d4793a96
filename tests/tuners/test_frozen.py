"""What of a tuned model is frozen, where layers are trained whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cells
from ftkit.config.run_config import load_config
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.frozen import frozen_modules, frozen_prefix
from ftkit.tuners.spec import TunerSpec

CONFIG = {"task": "text-classification", "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": "x"}
LAST_LAYER = {"method": "last-layers", "num_layers": 1}


def tuned(name: str, tuner: dict[str, Any], checkpoint: Callable[[str], Path]) -> Any:
    adapter = cells.make_adapter("text-classification", name, checkpoint)
    built = adapter.build()
    options = {"kind": "text-classification", "family": adapter.spec.family}
    return apply_tuner(built.model, built.new_parameters, TunerSpec(**tuner), **options)


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
    frozen = set(frozen_modules(model))
    assert {base.bert, base.bert.embeddings.dropout, base.bert.encoder, *first.modules()} <= frozen
    assert not frozen & {base, base.dropout, *base.classifier.modules(), *last.modules()}


def test_other_methods_refuse_the_key() -> None:
    config = {
        "task": "text-classification",
        "model": {"checkpoint": "x"},
        "data": {"train": "a.csv"},
        "output_dir": "y",
    }
    with pytest.raises(ConfigError, match="lora does not read cache_frozen"):
        load_config({**config, "tuner": {"method": "lora", "cache_frozen": True}})
    for stated, meant in (({}, True), ({"cache_frozen": False}, False)):
        tuner = load_config({**config, "tuner": {"method": "head-only", **stated}}).tuner
        assert tuner.option("cache_frozen") is meant
