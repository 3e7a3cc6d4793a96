"""What a method attaches to in models of images: linear layers, or convolutions where there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import tiny_images
from ftkit.errors import ConfigError
from ftkit.tuners import targets
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec

ATTENTION = ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "mlp.fc1", "mlp.fc2")
BASIC = ("layer.0.convolution", "layer.1.convolution")

STACKS: dict[str, dict[str, int]] = {
    "vit": {"vit.layers": 2},
    "swin": {"swin.encoder.layers": 2},
    "convnext": {"convnext.encoder.stages": 2},
    "resnet": {"resnet.encoder.stages": 2},
}

LAYERS: dict[str, list[str]] = {
    "vit": [f"vit.layers.{layer}.{name}" for layer in (0, 1) for name in ATTENTION],
    "swin": [
        *(f"swin.encoder.layers.0.blocks.0.{name}" for name in ATTENTION),
        "swin.encoder.layers.0.downsample.reduction",
        *(f"swin.encoder.layers.1.blocks.0.{name}" for name in ATTENTION),
    ],
    "convnext": [
        f"convnext.encoder.stages.{stage}.layers.0.{name}" for stage in (0, 1) for name in ("pwconv1", "pwconv2")
    ],
    "resnet": [
        *(f"resnet.encoder.stages.0.layers.0.{name}" for name in BASIC),
        "resnet.encoder.stages.1.layers.0.shortcut.convolution",
        *(f"resnet.encoder.stages.1.layers.0.{name}" for name in BASIC),
    ],
}


HEAD = ["classifier.1.weight", "classifier.1.bias"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Callable[[str], Any]:
    from transformers import AutoModelForImageClassification

    made = {name: tiny_images.make_checkpoint(name, tmp_path_factory.mktemp(name)) for name in LAYERS}
    return lambda name: AutoModelForImageClassification.from_pretrained(made[name], num_labels=3)


@pytest.mark.parametrize("name", LAYERS)
def test_stacks_and_layers(model, name):
    assert targets.layer_stacks(model(name)) == STACKS[name]
    assert targets.linear_layers(model(name), ["classifier"]) == LAYERS[name]


def test_layers_that_are_named(model):
    assert targets.named_layers(model("resnet"), ["shortcut.convolution"], []) == [
        "resnet.encoder.stages.1.layers.0.shortcut.convolution"
    ]
    assert targets.named_layers(model("resnet"), ["all-linear"], ["classifier"]) == LAYERS["resnet"]
    assert len(targets.named_layers(model("convnext"), ["patch_embeddings"], [])) == 1
    with pytest.raises(ConfigError, match="no layer 'dwconv'"):  # one channel at a time: nothing of low rank in it
        targets.named_layers(model("convnext"), ["dwconv"], [])


def test_lora_changes_convolutions_where_there_is_nothing_else(model):
    tuned = apply_tuner(
        model("resnet"),
        HEAD,
        TunerSpec(method="lora", rank=2),
        peft_task=None,
    )
    changed = {name for name, module in tuned.named_modules() if hasattr(module, "lora_A")}
    assert changed == {f"base_model.model.{name}" for name in LAYERS["resnet"]}


def test_what_does_not_suit_convolutions(model):
    for method, reason in (("pissa", "is a convolution. Choose lora."), ("ia3", "nothing was found")):
        with pytest.raises(ConfigError, match=reason):
            apply_tuner(model("resnet"), HEAD, TunerSpec(method=method), peft_task=None)


@pytest.mark.parametrize("method", ["lora", "bitfit", "head-only"])
def test_running_statistics_of_the_checkpoint_stay_as_they_are(model, method):
    tuned = apply_tuner(model("resnet"), HEAD, TunerSpec(method=method), peft_task=None)
    before = {name: buffer.clone() for name, buffer in tuned.named_buffers()}
    tuned.train()
    tuned(pixel_values=torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert before
    assert all(torch.equal(buffer, before[name]) for name, buffer in tuned.named_buffers())
    assert tuned.training


def test_running_statistics_of_layers_trained_whole_move_with_them(model):
    tuned = apply_tuner(model("resnet"), HEAD, TunerSpec(method="last-layers", num_layers=1), peft_task=None)
    before = {name: buffer.clone() for name, buffer in tuned.named_buffers()}
    tuned.train()
    tuned(pixel_values=torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    moved = {name for name, buffer in tuned.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved
    assert all(".stages.1.modules_to_save." in name for name in moved)
