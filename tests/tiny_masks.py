"""Pictures with masks that a tiny network can learn, and checkpoints that label pixels, made on disk at once."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 32
"""Pixels of an image as the tiny models see it."""


def make_segformer(folder: Path, *, seed: int = 0, side: int = SIDE, **config: Any) -> Path:
    """Writes a SegFormer of one layer a stage, without a head, and returns its folder."""
    import torch
    import transformers

    sizes = {
        "hidden_sizes": [8, 8, 16, 16],
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 2, 2],
        "decoder_hidden_size": 16,
        "drop_path_rate": 0.0,
        "classifier_dropout_prob": 0.0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.SegformerModel(transformers.SegformerConfig(**{**sizes, **config}))
    model.save_pretrained(folder)
    transformers.SegformerImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return Path(folder)


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
