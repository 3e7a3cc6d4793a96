"""Vision checkpoints whose files do not belong together are refused, also where transformers renames their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import tiny_images
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.image_processors import check_fits
from ftkit.models.loading import load_with_head
from ftkit.models.spec import ModelSpec


def load(folder: Path) -> Any:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    assert (spec.reads, spec.family) == ("image", "encoder")
    return load_with_head("AutoModelForImageClassification", spec, num_labels=3)


@pytest.mark.parametrize("name", tiny_images.RECIPES)
def test_nothing_but_the_head_is_new(name, tmp_path):
    loaded = load(tiny_images.make_checkpoint(name, tmp_path))
    assert {parameter.partition(".")[0] for parameter in loaded.new_parameters} == {"classifier"}


@pytest.mark.parametrize(("name", "part"), [
    ("vit", "layer.1."),
    ("swin", "layers.1."),
    ("convnext", "stages.1."),
    ("resnet", "stages.1."),
    ("resnet", "running_mean"),
])  # fmt: skip
def test_a_checkpoint_that_lacks_a_part_of_its_body(name, part, tmp_path):
    folder = tiny_images.make_checkpoint(name, tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {key: tensor for key, tensor in weights.items() if part not in key}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks \d+ of the \d+ parameters of the model's body"):
        load(folder)


@pytest.mark.parametrize(("name", "fewer"), [
    ("vit", {"num_hidden_layers": 1}),
    ("resnet", {"hidden_sizes": [8], "depths": [1], "stage_names": ["stem", "stage1"], "out_features": ["stage1"],
                "out_indices": [1]}),
])  # fmt: skip
def test_a_checkpoint_with_more_layers_than_its_config_says(name, fewer, tmp_path):
    folder = tiny_images.make_checkpoint(name, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fewer}))
    with pytest.raises(CheckpointError, match="parameters of layers that its config.json does not have"):
        load(folder)


def test_a_look_at_sizes_leaves_nothing_behind(tmp_path):
    """BEiT keeps the places of its first image's patches for all later ones: on "meta" they have no values."""
    import torch
    from transformers import BeitConfig, BeitForImageClassification, BeitImageProcessorPil
    from transformers.models.beit.modeling_beit import BeitRelativePositionBias

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = BeitConfig(image_size=12, patch_size=4, use_relative_position_bias=True, **sizes)
    BeitForImageClassification(config).save_pretrained(tmp_path)
    BeitImageProcessorPil(size={"height": 12, "width": 12}).save_pretrained(tmp_path)
    check_fits(inspect_checkpoint(ModelSpec(checkpoint=str(tmp_path))), "AutoModelForImageClassification", (3, 12, 12))
    index = BeitRelativePositionBias.generate_relative_position_index((3, 3))
    assert torch.equal(index[0], torch.tensor([27] + [25] * 9))
