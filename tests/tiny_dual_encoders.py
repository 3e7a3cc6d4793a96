"""Tiny untrained dual encoders, and pictures with captions that they can learn, each made in well under a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 32
MAX_POSITIONS = 16
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "black": (20, 20, 20)}
PLACES = ("above", "below")
_TEXTS = [f"a photo of a {colour} bar {place} the middle ." for colour in COLOURS for place in PLACES]

_TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": MAX_POSITIONS,
}
_IMAGE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}
_CLIP = {"projection_dim": 8}
_ALIGN = {
    "image_size": SIDE,
    "width_coefficient": 0.1,
    "depth_coefficient": 0.1,
    "hidden_dim": 16,
    "in_channels": [32, 16],
    "out_channels": [16, 24],
    "kernel_sizes": [3, 3],
    "strides": [1, 2],
    "depthwise_padding": [],
    "num_block_repeats": [1, 1],
    "expand_ratios": [1, 6],
}

RECIPES: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # model type -> class, keys of its config, of its text tower's, of its image tower's
    "clip": ("CLIPModel", _CLIP, _TEXT, _IMAGE),
    "siglip": ("SiglipModel", {}, {**_TEXT, "projection_size": 16, "max_position_embeddings": 64}, _IMAGE),
    "metaclip_2": ("MetaClip2Model", _CLIP, _TEXT, _IMAGE),
    "chinese_clip": ("ChineseCLIPModel", _CLIP, _TEXT, _IMAGE),
    "altclip": ("AltCLIPModel", _CLIP, {**_TEXT, "project_dim": 12, "max_position_embeddings": 20}, _IMAGE),
    "align": ("AlignModel", {"projection_dim": 8}, _TEXT, _ALIGN),
    "vision-text-dual-encoder": ("VisionTextDualEncoderModel", _CLIP, _TEXT, _IMAGE),
}


def make_tokenizer(model_type: str) -> Any:
    """Returns a tokenizer that knows the captions of the pictures; SigLIP's masks nothing."""
    from transformers import CLIPTokenizer

    own: Any = {"model_max_length": MAX_POSITIONS}
    if model_type == "siglip":
        own = {"model_max_length": 64, "model_input_names": ["input_ids"]}
    empty: Any = CLIPTokenizer(pad_token="<|pad|>", **own)
    return empty.train_new_from_iterator(_TEXTS, 420, show_progress=False)


def make_checkpoint(model_type: str, folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """Writes a checkpoint (config.json, model.safetensors, files of both processors) and returns its folder.

    Args:
        model_type: a key of `RECIPES`.
        seed: of the random weights.
        config: keys of its config that differ from the recipe's.
    """
    import torch
    import transformers

    class_name, own, text, image = RECIPES[model_type]
    tokenizer = make_tokenizer(model_type)
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {**text, **ids, "vocab_size": len(tokenizer)}
    if model_type == "vision-text-dual-encoder":
        # Usual weights of so few make all vectors the same.
        wide = {"initializer_range": 0.3, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        text, image = {**text, **wide, "model_type": "bert"}, {**image, **wide, "model_type": "vit"}
    built: Any = transformers.AutoConfig.for_model(
        model_type, text_config=text, vision_config=image, **{**own, **config}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, class_name)(config=built)
    model.save_pretrained(folder)
    square = {"height": SIDE, "width": SIDE}
    transformers.CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def make_pictures(folder: Path, *, copies: int = 3, seed: int = 0) -> Path:
    """Writes `folder/N.png` and `metadata.jsonl`: bars of a colour, above or below the middle, with two captions."""
    folder.mkdir(parents=True)
    rows = []
    for number, (colour, place, image) in enumerate(_pictures(copies, seed)):
        image.save(folder / f"{number}.png")
        captions = [f"a {colour} bar {place} the middle", f"{place} the middle a {colour} bar"]
        rows.append({"file_name": f"{number}.png", "captions": captions})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_classes(folder: Path, *, copies: int = 3, seed: int = 0) -> Path:
    """Writes `folder/COLOUR/N.png`, the same pictures by their colours."""
    for number, (colour, _, image) in enumerate(_pictures(copies, seed)):
        (folder / colour).mkdir(parents=True, exist_ok=True)
        image.save(folder / colour / f"{number}.png")
    return folder


def _pictures(copies: int, seed: int) -> Iterator[tuple[str, str, Any]]:
    from PIL import Image

    draws = np.random.default_rng(seed)
    for _ in range(copies):
        for colour, values in COLOURS.items():
            for place in PLACES:
                pixels = draws.integers(200, 256, (SIDE, SIDE, 3))
                rows = slice(0, SIDE // 2) if place == "above" else slice(SIDE // 2, SIDE)
                pixels[rows] = np.clip(np.asarray(values) + draws.integers(-20, 21, (SIDE // 2, SIDE, 3)), 0, 255)
                yield colour, place, Image.fromarray(pixels.astype(np.uint8))


def config(checkpoint: Path, data: dict[str, Any], folder: Path, **sections: Any) -> dict[str, Any]:
    """Returns a config of a short run on a CPU."""
    train = {"num_train_epochs": 2, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "use_cpu": True}
    return {
        "task": "zero-shot-image-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": data,
        "train": {**train, **sections.pop("train", {})},
        "output_dir": str(folder / "run"),
        **sections,
    }
