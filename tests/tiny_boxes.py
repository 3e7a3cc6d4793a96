"""Pictures of coloured rectangles with their boxes, in the layouts of the field, each made in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_images import SIDE, Recipe, make_from

COLOURS = {"circle": (200, 40, 40), "square": (40, 40, 200)}
WIDTH, HEIGHT = 60, 40

Found = tuple[str, int, int, int, int]
"""A label, left, top, right and bottom in pixels from 0, the last two not included."""


def drawn(number: int) -> list[Found]:
    """Returns what is in picture `number`: nothing in every fifth, else one or two things."""
    draws = np.random.default_rng(number)
    found: list[Found] = []
    for label in list(COLOURS)[: 0 if number % 5 == 4 else 1 + number % 2]:
        left, top = int(draws.integers(0, 30)), int(draws.integers(0, 20))
        found.append((label, left, top, left + 20, top + 16))
    return found


def write_picture(path: Path, found: Sequence[Found]) -> None:
    """Writes a picture of 60 x 40 pixels."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    for label, left, top, right, bottom in found:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=COLOURS[label])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def voc_xml(
    name: str, found: Sequence[Found], *, size: tuple[int, int] = (WIDTH, HEIGHT), difficult: Sequence[int] = ()
) -> str:
    """Returns an annotation of Pascal VOC, 1-based with the last pixel included."""
    objects = "".join(
        f"<object><name>{label}</name><difficult>{int(place in difficult)}</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for place, (label, left, top, right, bottom) in enumerate(found)
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{sides}{objects}</annotation>"


def objects_of(number: int) -> dict[str, Any]:
    """Returns what is in picture `number` as a cell `objects`, its boxes in the form `xywh`."""
    found = drawn(number)
    return {"bbox": [[box[1], box[2], 20, 16] for box in found], "category": [box[0] for box in found]}


def make_table(path: Path, numbers: Sequence[int]) -> Path:
    """Writes pictures, and a line of JSON for each beside them; returns the path."""
    for number in numbers:
        write_picture(path.parent / f"{number}.png", drawn(number))
    rows = ({"image": f"{number}.png", "objects": objects_of(number)} for number in numbers)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def make_voc(folder: Path, numbers: Sequence[int] = range(8)) -> Path:
    """Writes Annotations/, JPEGImages/ and ImageSets/Main/train.txt, and returns the folder."""
    (folder / "Annotations").mkdir(parents=True)
    for number in numbers:
        write_picture(folder / "JPEGImages" / f"{number}.png", drawn(number))
        (folder / "Annotations" / f"{number}.xml").write_text(voc_xml(f"{number}.png", drawn(number)))
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "train.txt").write_text("".join(f"{number}\n" for number in numbers))
    return folder


_BACKBONE = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
    "out_features": ["stage2"],
}
_SIZES = {
    "backbone_config": _BACKBONE,
    "d_model": 16,
    "num_queries": 5,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "dropout": 0.0,
    "auxiliary_loss": True,
}
_REAL_TIME = {
    "backbone_config": {
        **_BACKBONE,
        "model_type": "rt_detr_resnet",
        "hidden_sizes": [8, 8, 16, 16],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage2", "stage3", "stage4"],
    },
    "encoder_in_channels": [8, 16, 16],
    "decoder_in_channels": [16, 16, 16],
    "encoder_hidden_dim": 16,
    "d_model": 16,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "hidden_expansion": 0.5,
    "num_queries": 5,
    "num_denoising": 6,
}


def make_checkpoint(model_type: str, folder: Path, **config: Any) -> Path:
    """Writes a checkpoint without a head, that finds up to five things, and returns its folder."""
    return make_from(RECIPES[model_type], model_type, folder, **config)


RECIPES: dict[str, Recipe] = {
    "yolos": Recipe(
        "YolosModel",
        "YolosImageProcessorPil",
        {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": [SIDE, SIDE],
            "patch_size": 8,
            "num_detection_tokens": 5,
            "use_mid_position_embeddings": False,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
    ),
    "detr": Recipe("DetrModel", "DetrImageProcessorPil", _SIZES),
    "conditional_detr": Recipe("ConditionalDetrModel", "ConditionalDetrImageProcessorPil", _SIZES),
    "deformable_detr": Recipe(
        "DeformableDetrModel",
        "DeformableDetrImageProcessorPil",
        {**_SIZES, "d_model": 32, "num_feature_levels": 1, "encoder_n_points": 2, "decoder_n_points": 2},
    ),
    "lw_detr": Recipe(
        "LwDetrModel",
        "DeformableDetrImageProcessorPil",
        {
            "backbone_config": {
                **{"model_type": "lw_detr_vit", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
                **{"image_size": SIDE, "pretrain_image_size": SIDE, "patch_size": 8, "mlp_ratio": 2},
                **{"num_windows": 4, "window_block_indices": [0], "out_indices": [1, 2]},
            },
            **{"projector_scale_factors": [1.0], "d_model": 16, "num_queries": 5, "group_detr": 3, "dropout": 0.0},
            **{"decoder_layers": 2, "decoder_ffn_dim": 32, "decoder_n_points": 2, "num_feature_levels": 1},
            **{"decoder_self_attention_heads": 2, "decoder_cross_attention_heads": 2, "c2f_num_blocks": 1},
        },
    ),
    "rt_detr": Recipe("RTDetrModel", "RTDetrImageProcessorPil", _REAL_TIME),
    "d_fine": Recipe(
        "DFineModel",
        "RTDetrImageProcessorPil",
        {
            **_REAL_TIME,
            "backbone_config": {
                **{"model_type": "hgnet_v2", "stem_channels": [3, 8, 8], "hidden_sizes": [8, 8, 16, 16]},
                **{"stage_in_channels": [8, 8, 8, 16], "stage_out_channels": [8, 8, 16, 16]},
                **{"stage_mid_channels": [8] * 4, "stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4},
                "out_features": ["stage2", "stage3", "stage4"],
            },
            **{"decoder_layers": 3, "decoder_ffn_dim": 32, "max_num_bins": 8, "lqe_hidden_dim": 8},
        },
    ),
    # With its head: fresh from transformers, of which it would say that it is damaged.
    "rt_detr_v2": Recipe("RTDetrV2ForObjectDetection", "RTDetrImageProcessorPil", _REAL_TIME),
}
"""Model type -> recipe."""
