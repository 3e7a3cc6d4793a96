"""The processors of checkpoints that read images with texts, by Pillow and numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftkit.errors import CheckpointError, ConfigError
from ftkit.json_file import read_json_object
from ftkit.models.encoder_decoder import SEEING_MODEL_TYPE
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import ensure_pad_token, load_tokenizer

SIDES = (48, 32)
"""Pixels of the image that processors are tried on."""

READ_WITH_TEXTS = (
    "idefics3 or smolvlm (SmolVLM), qwen2_vl, qwen2_5_vl, qwen3_vl, internvl, idefics2, llava, llava_next, "
    "llava_onevision, gemma3, gemma4, paligemma, git, blip, florence2 or vision-encoder-decoder"
)
"""Types that are known to work, for messages; others do where `ImageTextPreprocessor` understands their processor."""

_VIDEOS = "video_processor"


def load_image_text_processor(spec: CheckpointSpec) -> Any:
    """Loads a checkpoint's processor, of an image processor that works by Pillow and a tokenizer.

    Raises:
        CheckpointError: it has none, or one that needs torchvision or reads videos as well.
        ConfigError: tokens are to be added to it.
    """
    if spec.add_tokens:
        raise ConfigError("model.add_tokens: tokens cannot be added to models that read images. Leave the key out.")
    place = spec.processor_path or spec.path
    loading = {} if spec.processor_path is not None else spec.loading_arguments
    try:
        processor: Any = None if _is_joined_now(spec) else _load(spec, place, loading)
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


def _load(spec: CheckpointSpec, place: str, loading: dict[str, Any]) -> Any:
    from transformers import PROCESSOR_MAPPING, AutoConfig, AutoProcessor

    # The class of the config says which it is; a processor of the checkpoint's own code is in no table.
    config = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    known: Any = PROCESSOR_MAPPING.get(type(config), None)
    if known is None or _VIDEOS not in known.get_attributes():
        return AutoProcessor.from_pretrained(place, backend="pil", **loading)
    settings = _video_settings(known, place, loading)
    return without_videos(known, settings).from_pretrained(place, backend="pil", video_processor=None, **loading)


def without_videos(processor_class: Any, settings: Mapping[str, Any] | None = None) -> Any:
    """Returns a processor class that reads images and texts as another does, and no videos, which take torchvision.

    It is saved by the other's name, with the settings of its videos.

    Args:
        settings: of the checkpoint's video processor, to be saved.
    """

    from transformers import ProcessorMixin

    class TakesNone(ProcessorMixin):
        def __init__(self, *args: Any, video_processor: None = None, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    # What lies between the two in the order of classes hands a video processor on by name, as Gemma 4's does.
    class WithoutVideos(processor_class, TakesNone):
        is_without_videos = True

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != _VIDEOS]

        def to_dict(self) -> dict[str, Any]:
            return {**super().to_dict(), **({_VIDEOS: dict(settings)} if settings else {})}

    WithoutVideos.__name__ = WithoutVideos.__qualname__ = processor_class.__name__
    return WithoutVideos


def _video_settings(known: Any, place: str, loading: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the settings of a checkpoint's video processor, from where transformers looks for them, in its order."""
    from transformers.utils import cached_file

    stated, _ = known.get_processor_dict(place, **loading)
    if isinstance(stated.get(_VIDEOS), dict):
        return dict(stated[_VIDEOS])
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        try:
            file = cached_file(place, name, revision=loading.get("revision"))
        except OSError:  # there is none
            continue
        found = read_json_object(Path(str(file)))
        return {key: value for key, value in found.items() if key not in ("image_processor_type", "auto_map")}
    return None


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
    if "num2words" in reason:
        return CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r}, of type {spec.model_type!r}, asks for the package "
            "num2words.\nFix: pip install 'ftkit[smolvlm]', or num2words alone."
        )
    if "orchvision" in reason or "pil backend" in reason:
        return CheckpointError(
            f"model.checkpoint: {spec.name!r}, of type {spec.model_type!r}, has an image processor that needs "
            f"torchvision, and ftkit reads images by Pillow alone: start from a checkpoint of type {READ_WITH_TEXTS}."
        )
    return CheckpointError(
        f"model.checkpoint: cannot load the processor of {spec.name!r}: {reason} A checkpoint that reads images and "
        "texts needs processor_config.json or preprocessor_config.json, and its tokenizer, beside config.json; copy "
        "them from where the checkpoint came from."
    )
