"""Image processors: what a checkpoint does to an image before it looks at it, by Pillow and numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError, name_list
from ftkit.models.checkpoint import timm_needed
from ftkit.models.loading import model_types
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    from PIL import Image

PIXELS = "pixel_values"

SIDE = 224  # of a processor that says nothing of sizes

# Wide and high: a processor that keeps an image's shape shows itself by them.
_PROBES = ((48, 32), (32, 48))


def load_image_processor(
    spec: CheckpointSpec, auto_class: str, *, side: int | None = None, whole: bool = False
) -> Any:
    """Loads a checkpoint's image processor in the form that needs no torchvision.

    Args:
        auto_class: of the model that it prepares images for; messages name others that it has.
        side: pixels of a side of the square that it is to make of every image; None: as its file says.
        whole: it is to resize all of an image, whatever its shape; see `resize_whole`.

    Raises:
        CheckpointError: it has none, none that works by Pillow, or one that makes something else than images of one
            size.
    """
    from transformers import AutoImageProcessor
    from transformers.image_utils import SizeDict

    place = spec.processor_path or spec.path
    loading = {} if spec.processor_path is not None else spec.loading_arguments
    try:
        processor = AutoImageProcessor.from_pretrained(place, backend="pil", **loading)
    except Exception as error:  # transformers checks values by errors of many kinds
        raise _not_loaded(spec, auto_class, error) from None
    if not _is_by_pillow(processor):
        raise _not_loaded(spec, auto_class, ValueError(f"{type(processor).__name__} needs torchvision"))
    if side is not None:
        processor.size = SizeDict(height=side, width=side)
    if whole:
        resize_whole(processor, *stated_size(processor))
    tensor_shape(processor, spec)
    return processor


def stated_size(processor: Any) -> tuple[int, int]:
    """Returns height and width of what a processor makes of a square: of its crop, where it crops."""
    crops = getattr(processor, "do_center_crop", False) and getattr(processor, "crop_size", None)
    size = dict(processor.crop_size if crops else processor.size)
    side = size.get("shortest_edge") or size.get("longest_edge")
    return size.get("height") or side or SIDE, size.get("width") or side or SIDE


def tensor_shape(processor: Any, spec: CheckpointSpec) -> tuple[int, int, int]:
    """Returns the shape of what a processor makes of any image: channels, height, width.

    Raises:
        CheckpointError: images of several shapes would not fit into one batch, or are not what it makes.
    """
    from PIL import Image

    shapes = {_shape(processor, Image.new("RGB", size)) for size in _PROBES}
    shape = shapes.pop()
    if shapes or len(shape) != 3:
        raise CheckpointError(
            f"model.checkpoint: the image processor of {spec.name!r} does not make every image one size: a picture of "
            f"48 x 32 pixels becomes {shape}, of 32 x 48 {(shapes or {shape}).pop()}. ftkit trains on images of one "
            'size. Fix: set "size" to {"height": ..., "width": ...} in its preprocessor_config.json.'
        )
    return shape


def check_fits(spec: CheckpointSpec, auto_class: str, shape: tuple[int, int, int]) -> None:
    """Refuses a checkpoint that cannot read what its own processor makes; no weight is read or computed for it.

    Raises:
        CheckpointError: the model sees images of another size, or of another number of channels.
    """
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    try:
        with torch.device("meta"):
            model = getattr(transformers, auto_class).from_config(config, trust_remote_code=spec.trust_remote_code)
        # Not where "meta" is the default: BEiT keeps what it makes of a size first, and values with it.
        with torch.no_grad():
            model.eval()(**{PIXELS: torch.empty(1, *shape, device="meta")})
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise_unfit(spec, shape, error)


def raise_unfit(spec: CheckpointSpec, shape: tuple[int, ...], error: Exception) -> None:
    """Says of an error that a model raised at the sight of an image that it sees images of another shape.

    Args:
        shape: of the image: channels, height, width.

    Raises:
        CheckpointError: always but where nothing can be told without values.
    """
    if "meta" in str(error):  # it looks at values, as DETR does: then nothing can be told without them
        return
    reason = str(error).strip().split("\n")[0].rstrip(".")
    raise CheckpointError(
        f"model.checkpoint: {spec.name!r} cannot read the images that its own processor makes, of "
        f"{shape[0]} channels and {shape[1]} x {shape[2]} pixels: {reason}.\nFix: config.json (image_size, "
        "num_channels) and preprocessor_config.json (size, crop_size) have to say the same; ftkit reads colour "
        "images, of 3 channels."
    ) from None


def resize_whole(processor: Any, height: int, width: int) -> None:
    """Has a processor bring whole images to one size: nothing is cut off, and no border is added.

    What is cut off of an image would get no class, and a mask follows an image through a plain resize alone.

    Args:
        processor: is changed, and saved so.
    """
    processor.do_resize = True
    # Labels are made of masks before they come here; a program that reads masks by the processor shall not shift them.
    changes = {"do_center_crop": False, "do_pad": False, "keep_aspect_ratio": False, "do_reduce_labels": False}
    for name, value in changes.items():
        if getattr(processor, name, None):
            setattr(processor, name, value)
    processor.size = {"height": height, "width": width}
    if getattr(processor, "crop_pct", None):
        processor.crop_pct = 1.0


def check_backbone(spec: CheckpointSpec, *, instead: str) -> None:
    """Refuses a checkpoint whose backbone is a model of timm, which need not be installed.

    Args:
        instead: what to start from.

    Raises:
        CheckpointError: its backbone is one.
    """
    import transformers

    config = transformers.AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    backbone = getattr(config, "backbone_config", None)
    if getattr(config, "use_timm_backbone", False) or getattr(backbone, "model_type", "") == "timm_backbone":
        named = getattr(backbone, "backbone", None)
        raise timm_needed(spec.name, f"{named!r}, " if named else "", instead)


def supported_types(auto_class: str) -> list[str]:
    """Returns the model types that have a model of an auto class, and a processor that works by Pillow."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    types = model_types(auto_class)
    return [name for name in types if IMAGE_PROCESSOR_MAPPING_NAMES.get(name, {}).get("pil")]


def _shape(processor: Any, image: Image.Image) -> tuple[int, ...]:
    made = processor(images=[image], return_tensors="np")
    return tuple(made[PIXELS].shape[1:]) if PIXELS in made else ()


def _is_by_pillow(processor: Any) -> bool:
    """Tells whether a processor is none of those that compute by torchvision, which may be installed."""
    from transformers.image_processing_backends import TorchvisionBackend

    return not isinstance(processor, TorchvisionBackend)


def _not_loaded(spec: CheckpointSpec, auto_class: str, error: Exception) -> CheckpointError:
    reason = str(error).strip().split("\n")[0].partition(" Should have")[0]
    if "trust_remote_code" in str(error):
        return CheckpointError(
            f"model.checkpoint: preprocessor_config.json of {spec.name!r} (auto_map) asks for the checkpoint's own "
            f"Python code, which was not run.\nFix: read that code; if you trust its authors, say {spec.trust_key}."
        )
    if isinstance(error, OSError):
        return CheckpointError(
            f"model.checkpoint: cannot load the image processor of {spec.name!r}: {reason} "
            "A checkpoint that reads images needs preprocessor_config.json beside config.json; copy it from where the "
            "checkpoint came from."
        )
    return CheckpointError(
        f"model.checkpoint: {spec.name!r}, of type {spec.model_type!r}, has no image processor that works by Pillow "
        f"alone: {reason} Start from a checkpoint of another type; there is "
        f"{name_list(supported_types(auto_class), limit=40)}."
    )
