"""Tiny untrained vision checkpoints and pictures that they can learn, each made on disk in well under a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 32
"""Pixels of an image as the tiny models see it."""

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        model_class: the transformers class that the checkpoint is saved from.
        processor: the class of its image processor.
        config: sizes, in the words of this model type's config.
        processor_config: what its image processor is made with.
    """

    model_class: str
    processor: str
    config: dict[str, Any]
    processor_config: dict[str, Any] = field(default_factory=lambda: {"size": {"height": SIDE, "width": SIDE}})


def make_checkpoint(model_type: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Writes a checkpoint (config.json, model.safetensors, preprocessor_config.json) and returns its folder.

    Args:
        model_type: a key of `RECIPES`.
        seed: of the random weights.
        config: keys of its config that differ from the recipe's.
    """
    return make_from(RECIPES[model_type], model_type, folder, seed=seed, **config)


def make_from(recipe: Recipe, model_type: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Writes a checkpoint by a recipe; see `make_checkpoint`."""
    import torch
    import transformers

    built = transformers.AutoConfig.for_model(model_type, **{**recipe.config, **config})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, recipe.model_class)(built)
    model.save_pretrained(folder)
    getattr(transformers, recipe.processor)(**recipe.processor_config).save_pretrained(folder)
    return Path(folder)


def make_photos(folder: Path, *, per_class: int = 6, seed: int = 0, side: int = 40) -> Path:
    """Writes `folder/CLASS/N.png`: noise in three colours, which a model can tell apart in a few steps."""
    from PIL import Image

    draws = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels = np.clip(np.asarray(colour) + draws.integers(-40, 41, (side, side, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


RECIPES: dict[str, Recipe] = {
    "vit": Recipe(
        "ViTModel",
        "ViTImageProcessorPil",
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": SIDE,
            "patch_size": 8,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
    ),
    "resnet": Recipe(
        "ResNetModel",
        "ConvNextImageProcessorPil",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
        {"size": {"shortest_edge": SIDE}, "crop_pct": 1.0},
    ),
    "convnext": Recipe(
        "ConvNextModel",
        "ConvNextImageProcessorPil",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 4, "image_size": SIDE},
        {"size": {"shortest_edge": SIDE}, "crop_pct": 1.0},
    ),
    "swin": Recipe(
        "SwinModel",
        "ViTImageProcessorPil",
        {
            "image_size": SIDE,
            "patch_size": 4,
            "embed_dim": 8,
            "depths": [1, 1],
            "num_heads": [1, 2],
            "window_size": 4,
            "drop_path_rate": 0.0,
        },
    ),
}
"""Model type -> recipe. All are saved without a classifier, as self-supervised checkpoints are."""
