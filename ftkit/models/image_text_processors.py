"""The processors of checkpoints that read images with texts, by Pillow and numpy alone."""

from __future__ import annotations

from typing import Any

from ftkit.errors import CheckpointError
from ftkit.models.encoder_decoder import SEEING_MODEL_TYPE
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import ensure_pad_token, load_tokenizer

SIDES = (48, 32)
"""Pixels of the image that processors are tried on."""


def load_image_text_processor(spec: CheckpointSpec) -> Any:
    """Loads a checkpoint's processor, of an image processor that works by Pillow and a tokenizer.

    Raises:
        CheckpointError: it has none, or one that needs torchvision or reads videos as well.
    """
    from transformers import AutoProcessor

    place = spec.processor_path or spec.path
    loading = {} if spec.processor_path is not None else spec.loading_arguments
    try:
        processor: Any = (
            None if _is_joined_now(spec) else AutoProcessor.from_pretrained(place, backend="pil", **loading)
        )
    except Exception as error:  # transformers checks values by errors of many kinds
        raise _not_loaded(spec, error) from None
    if spec.model_type == SEEING_MODEL_TYPE and not hasattr(processor, "image_processor"):
        processor = _of_parts(spec, loading)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} has no processor of images and texts, only a "
            f"{type(processor).__name__}. Copy processor_config.json, preprocessor_config.json and the tokenizer's "
            "files from where the checkpoint came from."
        )
    if _computes_by_torchvision(processor.image_processor):
        raise _not_loaded(spec, ImportError(f"{type(processor.image_processor).__name__} needs torchvision"))
    ensure_pad_token(processor.tokenizer, spec)
    processor.tokenizer.padding_side = "right"
    return processor


def _of_parts(spec: CheckpointSpec, loading: dict[str, Any]) -> Any:
    """Returns the processor of two joined checkpoints, which has no name of its own: TrOCR's holds any two."""
    from transformers import AutoImageProcessor, TrOCRProcessor

    try:
        images = AutoImageProcessor.from_pretrained(spec.processor_path or spec.path, backend="pil", **loading)
    except Exception as error:  # as above
        raise _not_loaded(spec, error) from None
    return TrOCRProcessor(images, load_tokenizer(spec.decoder if _is_joined_now(spec) else spec))  # type: ignore[arg-type]


def _is_joined_now(spec: CheckpointSpec) -> bool:
    """Tells whether two checkpoints lie in folders of their own, each with its half of the processor."""
    return spec.decoder is not None and spec.processor_path is None


def _computes_by_torchvision(image_processor: Any) -> bool:
    from transformers.image_processing_backends import TorchvisionBackend

    return isinstance(image_processor, TorchvisionBackend)


def _not_loaded(spec: CheckpointSpec, error: Exception) -> CheckpointError:
    reason = " ".join(str(error).strip().split("\n")[0:2]).strip()[:300]
    if "trust_remote_code" in str(error):
        return CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r} (auto_map) asks for the checkpoint's own Python code, "
            f"which was not run.\nFix: read that code; if you trust its authors, say {spec.trust_key}."
        )
    if "orchvision" in reason or "video" in reason.lower() or "num2words" in reason:
        return CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r}, of type {spec.model_type!r}, needs torchvision, or "
            "reads videos by it, and ftkit reads images by Pillow alone: start from a checkpoint of type idefics3 "
            "(SmolVLM 256M, 500M and Instruct), idefics2, llava, llava_next, git, blip or vision-encoder-decoder."
        )
    return CheckpointError(
        f"model.checkpoint: cannot load the processor of {spec.name!r}: {reason} A checkpoint that reads images and "
        "texts needs processor_config.json or preprocessor_config.json, and its tokenizer, beside config.json; copy "
        "them from where the checkpoint came from."
    )
