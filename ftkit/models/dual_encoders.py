"""Dual encoders: a tower for images, a tower for texts, and what their cosines are multiplied by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from ftkit.models.image_processors import load_image_processor, raise_unfit
from ftkit.models.loading import has_auto_model, model_without_weights
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer

if TYPE_CHECKING:
    import torch

Tower = Literal["image", "text"]

MAX_LOG_SCALE = math.log(100)
"""CLIP's bound: logits of more than 100 times the cosine make training unstable (arXiv 2103.00020, section 2.5)."""

_IMAGE_PARTS = ("vision_model", "visual_projection")
_TEXT_PARTS = ("text_model", "text_projection")
_USUAL = "VisionTextDualEncoderProcessor"  # it holds any image processor and any tokenizer


def is_siglip(spec: CheckpointSpec) -> bool:
    """Tells whether a checkpoint learnt as SigLIP: a yes or no for every pair, from texts of one length, unmasked."""
    return spec.model_type.startswith("siglip")


def logit_terms(model: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns what cosines are multiplied by, and what is added to them (None: nothing); both can be trained."""
    if hasattr(model, "temperature"):  # ALIGN
        return 1 / model.temperature, None
    return model.logit_scale.exp(), getattr(model, "logit_bias", None)


def bound_logit_scale(model: Any, most: float) -> None:
    """Brings what cosines are multiplied by down to a bound, in place.

    Args:
        most: its largest value.
    """
    import torch

    with torch.no_grad():
        if hasattr(model, "temperature"):
            model.temperature.clamp_(min=1 / most)
        else:
            model.logit_scale.clamp_(max=math.log(most))


def features(model: Any, tower: Tower, **inputs: torch.Tensor) -> torch.Tensor:
    """Returns the vectors that one tower makes, as the loss compares them: (N, D) float32, of length 1."""
    from torch.nn import functional

    outputs = model.get_image_features(**inputs) if tower == "image" else model.get_text_features(**inputs)
    return functional.normalize(outputs.pooler_output.float(), dim=-1)


def parameters_of(model: torch.nn.Module, tower: Tower) -> list[torch.nn.Parameter]:
    """Returns the weights of a tower, its projection included."""
    parts = _IMAGE_PARTS if tower == "image" else _TEXT_PARTS
    return [
        weight for name, weight in model.named_parameters() if name.startswith(tuple(f"{part}." for part in parts))
    ]


def image_text_processor(spec: CheckpointSpec, auto_class: str) -> Any:
    """Returns transformers' own processor of a checkpoint, around an image processor by Pillow and a tokenizer.

    What it saves, `AutoProcessor` and the pipeline of zero-shot image classification load.

    Args:
        auto_class: of the model; messages name others that it has.

    Raises:
        CheckpointError: the checkpoint lacks one of the two.
    """
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    image_processor, tokenizer = load_image_processor(spec, auto_class), load_tokenizer(spec)
    name = PROCESSOR_MAPPING_NAMES.get(spec.model_type) or _USUAL
    return getattr(transformers, name)(image_processor=image_processor, tokenizer=tokenizer)


def check_sees(spec: CheckpointSpec, auto_class: str, shape: tuple[int, ...]) -> None:
    """Refuses a checkpoint that cannot see what its own image processor makes; no weight is read or computed for it.

    Args:
        shape: of an image as the processor makes it.

    Raises:
        CheckpointError: the model sees images of another size, or of another number of channels.
    """
    import torch

    with torch.device("meta"):
        model = model_without_weights(auto_class_of(spec, auto_class), spec)
    if model is None:
        return
    with torch.no_grad():  # and not where "meta" is the default, as in `image_processors.check_fits`
        try:
            model.eval().get_image_features(pixel_values=torch.empty(1, *shape, device="meta"))
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise_unfit(spec, shape, error)


def auto_class_of(spec: CheckpointSpec, auto_class: str) -> str:
    """Returns the class that loads a checkpoint: two encoders that were joined are in no table of the others."""
    return auto_class if has_auto_model(auto_class, spec) else "AutoModel"
