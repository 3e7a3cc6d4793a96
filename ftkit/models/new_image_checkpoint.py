"""Fresh checkpoints that read images: a small model with random weights, and the processor that it reads through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.errors import UserError
from ftkit.models.new_checkpoint import Size, seeded

IMAGE_SIZES: Mapping[Size, int] = {"tiny": 64, "small": 224}
"""Pixels of a side of what the model sees, unless it is told another number."""


@dataclass(frozen=True)
class ImageRecipe:
    """How a checkpoint of one architecture is made.

    Attributes:
        model_class: the transformers class that the checkpoint is saved from; it has no classifier.
        sizes: size -> keys of its config.
        config: other keys of its config.
        multiple_of: size -> what the image's side has to be a multiple of.
        dropouts: the keys that hold dropout probabilities.
        states_image_size: its config holds the image's side, which its position embeddings depend on.
        states_both_sides: it holds height and width.
        processor: the transformers class of its image processor.
        image_sizes: size -> pixels of a side of what the model sees, unless it is told another number.
    """

    model_class: str
    sizes: Mapping[Size, Mapping[str, Any]]
    multiple_of: Mapping[Size, int]
    config: Mapping[str, Any] = field(default_factory=dict)
    dropouts: tuple[str, ...] = ()
    states_image_size: bool = False
    states_both_sides: bool = False
    processor: str = "ViTImageProcessorPil"
    image_sizes: Mapping[Size, int] = field(default_factory=lambda: IMAGE_SIZES)


def make_image_checkpoint(
    folder: Path,
    architecture: str,
    size: Size,
    *,
    image_size: int | None = None,
    dropout: float | None = None,
    seed: int = 42,
) -> dict[str, int]:
    """Writes an untrained checkpoint: config.json, model.safetensors, preprocessor_config.json.

    Its processor makes every image a square, whatever its shape was, so nothing is cut off.

    Args:
        folder: where to write.
        architecture: a key of `IMAGE_RECIPES`.
        image_size: pixels of a side of what the model sees. Default: by size.
        dropout: probability for every dropout of the model; 0.1 where it has any.
        seed: of the weights.

    Returns:
        `image_size` and `num_parameters`.

    Raises:
        UserError: the architecture cannot see images of that size, or has no dropout to set.
    """
    import transformers

    recipe = IMAGE_RECIPES[architecture]
    side = checked_side(image_size or recipe.image_sizes[size], recipe.multiple_of[size], architecture, size)
    if dropout is not None and not recipe.dropouts:
        raise UserError(f"--dropout: a {architecture} has no dropout. Leave it out.")
    dropouts = dict.fromkeys(recipe.dropouts, 0.1 if dropout is None else dropout)
    # A network of convolutions sees images of any size, and its config states none.
    sides = [side, side] if recipe.states_both_sides else side
    stated = {"image_size": sides} if recipe.states_image_size else {}
    sizes = {**recipe.sizes[size], **recipe.config, **dropouts, **stated}
    config = transformers.AutoConfig.for_model(architecture, **sizes)
    with seeded(seed):
        model = getattr(transformers, recipe.model_class)(config)
    model.save_pretrained(folder)
    processor = getattr(transformers, recipe.processor)
    processor(size={"height": side, "width": side}).save_pretrained(folder)
    return {"image_size": side, "num_parameters": model.num_parameters()}


def checked_side(side: int, multiple_of: int, architecture: str, size: Size) -> int:
    """Returns the pixels of a side.

    Args:
        multiple_of: what it has to be a multiple of.

    Raises:
        UserError: it is none.
    """
    if side < multiple_of or side % multiple_of:
        below, above = side // multiple_of * multiple_of, -(-side // multiple_of) * multiple_of
        nearest = " or ".join(str(number) for number in dict.fromkeys((below, above)) if number)
        raise UserError(
            f"--image-size: a {size} {architecture} sees images whose side is a multiple of {multiple_of} pixels, "
            f"got {side}. Say {nearest}."
        )
    return side


_RT_DETR_BACKBONE: Mapping[str, Any] = {
    "model_type": "rt_detr_resnet",
    "depths": [2, 2, 2, 2],
    "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}

IMAGE_RECIPES: Mapping[str, ImageRecipe] = {
    "vit": ImageRecipe(
        "ViTModel",
        {
            "tiny": {
                "hidden_size": 128,
                "num_hidden_layers": 6,
                "num_attention_heads": 4,
                "intermediate_size": 256,
                "patch_size": 8,
            },
            # DeiT-S of arXiv 2012.12877, table 1.
            "small": {
                "hidden_size": 384,
                "num_hidden_layers": 12,
                "num_attention_heads": 6,
                "intermediate_size": 1536,
                "patch_size": 16,
            },
        },
        multiple_of={"tiny": 8, "small": 16},
        dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
        states_image_size=True,
    ),
    "yolos": ImageRecipe(
        "YolosModel",
        {
            "tiny": {
                "hidden_size": 128,
                "num_hidden_layers": 6,
                "num_attention_heads": 4,
                "intermediate_size": 256,
                "patch_size": 16,
                "num_detection_tokens": 100,
            },
            # YOLOS-S of arXiv 2106.00666, table 1.
            "small": {
                "hidden_size": 384,
                "num_hidden_layers": 12,
                "num_attention_heads": 6,
                "intermediate_size": 1536,
                "patch_size": 16,
                "num_detection_tokens": 100,
            },
        },
        multiple_of={"tiny": 16, "small": 16},
        config={"use_mid_position_embeddings": False},
        dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
        states_image_size=True,
        states_both_sides=True,
        processor="YolosImageProcessorPil",
        image_sizes={"tiny": 128, "small": 512},
    ),
    "rt_detr": ImageRecipe(
        "RTDetrModel",
        {
            "tiny": {
                "backbone_config": {**_RT_DETR_BACKBONE, "embedding_size": 16, "hidden_sizes": [16, 32, 64, 128]},
                "encoder_in_channels": [32, 64, 128],
                "decoder_in_channels": [64, 64, 64],
                "encoder_hidden_dim": 64,
                "d_model": 64,
                "encoder_ffn_dim": 128,
                "decoder_ffn_dim": 128,
                "encoder_attention_heads": 4,
                "decoder_attention_heads": 4,
                "num_queries": 100,
            },
            # RT-DETR-R18 of https://github.com/lyuwenyu/RT-DETR, whose paper is arXiv 2304.08069.
            "small": {
                "backbone_config": {**_RT_DETR_BACKBONE, "embedding_size": 64, "hidden_sizes": [64, 128, 256, 512]},
                "encoder_in_channels": [128, 256, 512],
                "num_queries": 300,
            },
        },
        multiple_of={"tiny": 32, "small": 32},  # its stages halve the image five times
        config={"decoder_layers": 3, "hidden_expansion": 0.5},
        processor="RTDetrImageProcessorPil",
        image_sizes={"tiny": 128, "small": 640},
    ),
    "resnet": ImageRecipe(
        "ResNetModel",
        {
            # ResNet-18 of arXiv 1512.03385, table 1, at a quarter of its width, and as it is.
            "tiny": {"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [2, 2, 2, 2]},
            "small": {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]},
        },
        multiple_of={"tiny": 32, "small": 32},  # its stages halve the image five times
        config={"layer_type": "basic"},
    ),
    "segformer": ImageRecipe(
        "SegformerModel",
        {
            "tiny": {
                "hidden_sizes": [16, 32, 64, 128],
                "depths": [1, 1, 1, 1],
                "decoder_hidden_size": 64,
                "drop_path_rate": 0.0,
            },
            # MiT-B0 of arXiv 2105.15203, table 6.
            "small": {"hidden_sizes": [32, 64, 160, 256], "depths": [2, 2, 2, 2], "decoder_hidden_size": 256},
        },
        multiple_of={"tiny": 32, "small": 32},  # its stages make it four times as small, and halve that three times
        dropouts=("classifier_dropout_prob",),
        processor="SegformerImageProcessorPil",
    ),
}
"""Architecture -> recipe; the names are transformers' own model types."""
