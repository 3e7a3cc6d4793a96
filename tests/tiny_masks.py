"""Pictures with masks that a tiny network can learn, and checkpoints that label pixels, made on disk at once."""

from __future__ import annotations

import dataclasses
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from tiny_images import SIDE, Recipe, make_from


def make_segformer(folder: Path, *, seed: int = 0, side: int = SIDE, **config: Any) -> Path:
    """Writes a SegFormer of one layer a stage, without a head, and returns its folder."""
    recipe = dataclasses.replace(RECIPES["segformer"], processor_config={"size": {"height": side, "width": side}})
    return make_from(recipe, "segformer", folder, seed=seed, **config)


def make_checkpoint(model_type: str, folder: Path) -> Path:
    """Writes a checkpoint without a head, but UPerNet's, which is one of a head; returns its folder."""
    own = {"id2label": {0: "sky", 1: "sea", 2: "land"}} if model_type == "upernet" else {}
    return make_from(RECIPES[model_type], model_type, folder, **own)


_TRANSFORMER = {
    **{"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32},
    **{"image_size": SIDE, "patch_size": 8, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
}
_BEIT = {
    **_TRANSFORMER,
    **{"drop_path_rate": 0.0, "use_relative_position_bias": True, "out_indices": [1, 2, 3, 4], "pool_scales": [1, 2]},
}
_ASPP = {"image_size": SIDE, "aspp_out_channels": 8, "atrous_rates": [1, 2, 3], "aspp_dropout_prob": 0.0}
RECIPES: dict[str, Recipe] = {
    "segformer": Recipe(
        "SegformerModel",
        "SegformerImageProcessorPil",
        {
            **{"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]},
            **{"decoder_hidden_size": 16, "drop_path_rate": 0.0, "classifier_dropout_prob": 0.0},
        },
    ),
    "beit": Recipe("BeitModel", "BeitImageProcessorPil", _BEIT),
    "data2vec-vision": Recipe("Data2VecVisionModel", "BeitImageProcessorPil", _BEIT),
    "dpt": Recipe(
        "DPTModel",
        "DPTImageProcessorPil",
        {
            **_TRANSFORMER,
            **{"is_hybrid": False, "backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8, 8, 16, 16]},
            **{"fusion_hidden_size": 8, "semantic_classifier_dropout": 0.0},
        },
    ),
    "upernet": Recipe(
        "UperNetForSemanticSegmentation",
        "SegformerImageProcessorPil",
        {
            "backbone_config": {
                **{"model_type": "swin", "image_size": SIDE, "patch_size": 2, "embed_dim": 8, "window_size": 2},
                **{"depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "drop_path_rate": 0.0},
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            **{"hidden_size": 16, "pool_scales": [1, 2], "auxiliary_channels": 8, "auxiliary_in_channels": 32},
        },
    ),
    "mobilevit": Recipe(
        "MobileViTModel",
        "MobileViTImageProcessorPil",
        {
            **_ASPP,
            **{"hidden_sizes": [8, 8, 8], "neck_hidden_sizes": [8] * 7, "num_attention_heads": 2, "expand_ratio": 2.0},
            **{"hidden_dropout_prob": 0.0, "classifier_dropout_prob": 0.0},
        },
    ),
    "mobilevitv2": Recipe(
        "MobileViTV2Model",
        "MobileViTImageProcessorPil",
        {
            **_ASPP,
            **{"width_multiplier": 0.25, "n_attn_blocks": [1, 1, 1], "base_attn_unit_dims": [32, 32, 32]},
            "classifier_dropout_prob": 0.0,
        },
    ),
    "mobilenet_v2": Recipe(
        "MobileNetV2Model",
        "MobileNetV2ImageProcessorPil",
        {"image_size": SIDE, "depth_multiplier": 0.1, "classifier_dropout_prob": 0.0},
    ),
}
"""Model type -> recipe."""


def make_cells(
    folder: Path,
    *,
    count: int = 8,
    seed: int = 0,
    values: tuple[int, int] = (0, 255),
    size: tuple[int, int] = (40, 30),
) -> Path:
    """Writes `folder/images/N.png` and `folder/masks/N.png`: bright rectangles on a dark ground.

    Args:
        values: of the ground and of the rectangle in the masks.
        size: width and height.
    """
    from PIL import Image

    draws, (width, height) = np.random.default_rng(seed), size
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        top, left = int(draws.integers(height // 2)), int(draws.integers(width // 2))
        is_cell = np.zeros((height, width), bool)
        is_cell[top : top + height // 2, left : left + width // 2] = True
        pixels = np.where(is_cell[..., None], 200, 50) + draws.integers(-30, 31, (height, width, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(np.where(is_cell, values[1], values[0]).astype(np.uint8)).save(
            folder / "masks" / f"{number}.png"
        )
    return folder


def make_tar(path: Path, cells: Path) -> Path:
    """Packs what `make_cells` wrote, as `0.png` and `0.mask.png`; returns the path."""
    with tarfile.open(path, f"w:{path.suffix.removeprefix('.')}" if path.suffix != ".tar" else "w") as archive:
        for image in sorted((cells / "images").iterdir()):
            archive.add(image, image.name)
            archive.add(cells / "masks" / image.name, f"{image.stem}.mask.png")
    return path


def mask_config(checkpoint: Path, cells: Path, folder: Path, *, data: Any = None, **sections: Any) -> dict[str, Any]:
    """Returns the config of a run on `cells/train` and `cells/test`."""
    train = {"num_train_epochs": 1, "learning_rate": 1e-2, "per_device_train_batch_size": 4, "use_cpu": True}
    return {
        "task": "image-segmentation",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(cells / "train"), "test": str(cells / "test"), **(data or {})},
        "train": {**train, **sections.pop("train", {})},
        "output_dir": str(folder / "run"),
        **sections,
    }
