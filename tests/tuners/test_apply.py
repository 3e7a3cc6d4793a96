"""What a tuner leaves trainable on models where that takes care; the contract covers the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cells
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec

Tune = Callable[..., Any]


@pytest.fixture(scope="module")
def tune(checkpoint: Callable[[str], Path]) -> Tune:
    def make(kind: str, name: str, **tuner: Any) -> Any:
        adapter = cells.make_adapter(kind, name, checkpoint)
        built = adapter.objective.build()
        peft_task = cells.peft_task(kind, adapter)
        return apply_tuner(built.model, built.new_parameters, TunerSpec(**tuner), peft_task=peft_task)

    return make


def trainable(model: Any) -> set[str]:
    return {name for name, tensor in model.named_parameters() if tensor.requires_grad}


def test_full_leaves_a_model_as_it_is(tune: Tune) -> None:
    model = tune("text-classification", "bert")
    assert type(model).__name__ == "BertForSequenceClassification"
    assert trainable(model) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("method", ["bitfit", "lora", "last-layers", "layernorm"])
def test_what_takes_no_part_stays_frozen(method: str, tune: Tune) -> None:
    """The pooler of an encoder that reads for a decoder: processes would wait for its gradients."""
    options = {"num_layers": 1} if method == "last-layers" else {}
    assert not [
        name for name in trainable(tune("translation", "bert2bert", method=method, **options)) if "pooler" in name
    ]


def test_new_modules_inside_of_trained_layers_are_trained_with_them(tune: Tune) -> None:
    model = tune("translation", "bert2bert", method="last-layers", num_layers=2)
    assert sorted(model.active_peft_config.modules_to_save) == [
        f"{side}.encoder.layer.{layer}" for side in ("decoder.bert", "encoder") for layer in (0, 1)
    ]
    model = tune("translation", "bert2bert", method="last-layers", num_layers=1)
    assert sorted(model.active_peft_config.modules_to_save) == [
        "decoder.bert.encoder.layer.0.crossattention",
        "decoder.bert.encoder.layer.1",
        "encoder.encoder.layer.1",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("query",), {"query"}),
        (("key", "output.dense"), {"key", "attention.output.dense", "0.output.dense", "1.output.dense"}),
        (("dense",), {"attention.output.dense", "intermediate.dense", "0.output.dense", "1.output.dense"}),
    ],
)
def test_ia3_tells_feedforward_layers_from_others_that_share_their_name(
    names: tuple[str, ...], expected: set[str], tune: Tune
) -> None:
    config = tune("text-classification", "bert", method="ia3", target_modules=names).active_peft_config
    assert config.target_modules == expected
    assert config.feedforward_modules == expected & {"0.output.dense", "1.output.dense"}


def test_what_peft_refuses_is_one_message(tune: Tune) -> None:
    with pytest.raises(ConfigError, match="ia3 does not suit this checkpoint; peft says: Target module Embedding"):
        tune("text-classification", "bert", method="ia3", target_modules=("word_embeddings",))
