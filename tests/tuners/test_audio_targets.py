"""Every weight that a method adds to an audio model takes part: it is called, and gets a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import tiny_audio
from ftkit.errors import ConfigError
from ftkit.tuners import targets
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import METHODS, TunerSpec

METHODS_THAT_SUIT = [name for name, facts in METHODS.items() if not facts.reads_prompt]
ATTENTION = ("attention.k_proj", "attention.v_proj", "attention.q_proj", "attention.out_proj")
FEED_FORWARD = ("feed_forward.intermediate_dense", "feed_forward.output_dense")


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """`load("hubert")` is a new model and the names of its head's parameters; no layer is dropped in training."""
    from transformers import AutoModelForAudioClassification

    checkpoint = tiny_audio.maker(tmp_path_factory.mktemp("tiny-audio"))

    def model(name: str) -> Any:
        config = {} if name in ("ast", "whisper") else {"layerdrop": 0.0}
        model, report = AutoModelForAudioClassification.from_pretrained(
            checkpoint(name), num_labels=4, output_loading_info=True, **config
        )
        return model.train(), sorted(report["missing_keys"])

    return model


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-layer", "hubert"])
def test_attention_and_feed_forward_of_every_layer(load: Any, name: str) -> None:
    model, _ = load(name)
    stack = f"{model.base_model_prefix}.encoder.layers"
    assert targets.layer_stacks(model) == {stack: 2}
    assert targets.linear_layers(model, ["projector", "classifier"]) == [
        f"{model.base_model_prefix}.feature_projection.projection",
        *(f"{stack}.{layer}.{inner}" for layer in (0, 1) for inner in (*ATTENTION, *FEED_FORWARD)),
    ]


def test_layers_of_which_only_the_weights_are_read_are_left_out(load: Any) -> None:
    model, _ = load("wavlm")
    found = {name.rpartition(".")[2] for name in targets.linear_layers(model, ["projector", "classifier"])}
    assert found == {"projection", "gru_rel_pos_linear", "intermediate_dense", "output_dense"}
    with pytest.raises(ConfigError, match=r"reads the weights or settings of 'q_proj' itself.*'intermediate_dense'"):
        targets.named_layers(model, ["q_proj"], [])


@pytest.mark.parametrize("method", METHODS_THAT_SUIT)
@pytest.mark.parametrize("name", tiny_audio.RECIPES)
def test_everything_that_is_trained_gets_a_gradient(load: Any, name: str, method: str) -> None:
    model, new = load(name)
    rank = {"rank": 2} if "rank" in METHODS[method].options else {}
    spec = TunerSpec.model_validate({"method": method, **rank})
    if (name, method) == ("wavlm", "ia3"):
        with pytest.raises(ConfigError):
            apply_tuner(model, new, spec, peft_task=None)
        return
    tuned = apply_tuner(model, new, spec, peft_task=None).train()
    shape = {"ast": (2, 128, 32), "whisper": (2, 16, 200)}.get(name, (2, 8_000))
    inputs = {tuned.main_input_name: torch.randn(shape, generator=torch.Generator().manual_seed(0))}
    tuned(**inputs).logits.square().sum().backward()
    trained = {name: parameter for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None] == []
    assert all(any(name.replace(".modules_to_save.default", "").endswith(head) for name in trained) for head in new)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "wavlm"])
def test_frozen_convolutions_are_not_gone_back_through(load: Any, name: str) -> None:
    model, new = load(name)
    waves = torch.randn(1, 8_000)
    tuned = apply_tuner(model, new, TunerSpec(method="lora", rank=2), peft_task=None).train()
    tuned(input_values=waves).logits.sum().backward()
    assert not tuned.get_base_model().base_model.feature_extractor(waves).requires_grad
