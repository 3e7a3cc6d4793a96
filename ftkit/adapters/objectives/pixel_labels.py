"""A class for every pixel, at the image's own size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.labelled import LabelledObjective
from ftkit.adapters.preprocessors.image_mask import NO_LABEL
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.drawn_masks import with_classes, with_legend
from ftkit.data.images import open_image
from ftkit.data.masks import ClassMask, MaskedImageExample, MaskFile
from ftkit.data.predicted_files import PredictedFile
from ftkit.errors import CheckpointError
from ftkit.models.image_processors import check_backbone
from ftkit.models.loading import LoadedModel, has_auto_model, load_with_head

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import PreTrainedModel

# Scores that are enlarged at a time: 150 classes of a photo of 12 megapixels are 7 GB.
MOST_ENLARGED = 64 << 20
WINDOW = 32  # masks that wait, uncompressed, to be finished: of 12 megapixels each 400 MB


class PixelLabelObjective(LabelledObjective):
    """Semantic segmentation with transformers' own heads."""

    window: ClassVar[int | None] = WINDOW
    draws: ClassVar[bool] = True

    @classmethod
    def check_checkpoint(cls, spec: Any, auto_class: str) -> None:
        """Refuses a checkpoint whose type labels no pixels in transformers, or whose backbone needs timm.

        Raises:
            CheckpointError: it is one of them.
        """
        if not has_auto_model(auto_class, spec):
            raise CheckpointError(
                f"model.checkpoint: transformers has no semantic segmentation for checkpoints of type "
                f"{spec.model_type!r}, such as {spec.name!r}. Start from another one: SegFormer (nvidia/mit-b0), "
                "BEiT, DPT, UPerNet and MobileViT have it."
            )
        check_backbone(
            spec, instead="SegFormer, such as nvidia/mit-b0, or BEiT, DPT, UPerNet and MobileViT without timm"
        )

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for the classes.

        Auxiliary heads, which UPerNet, BEiT and DPT compute a second loss by, are left out: they serve training alone,
        and transformers' own predictions never read them.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        from transformers import AutoConfig

        spec = self.preprocessor.spec
        stated: dict[str, Any] = {}
        if hasattr(AutoConfig.from_pretrained(spec.path, **spec.loading_arguments), "use_auxiliary_head"):
            stated["use_auxiliary_head"] = False
        return load_with_head(
            self.auto_class,
            spec,
            **self.head_config,
            **stated,
        )

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of each mask's pixels of a class, as the model sees them: each bears one loss term."""
        return encoded.rows.num_pixels

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over its pixels: (B,).

        Logits are enlarged to the size of the labels first, as transformers' own heads do.
        """
        from torch.nn import functional

        logits_BLHW = enlarged(outputs.logits.float(), batch.labels.shape[1:])
        loss_BHW = functional.cross_entropy(
            logits_BLHW,
            batch.labels,
            weight=None if self.class_weights is None else logits_BLHW.new_tensor(self.class_weights),
            ignore_index=NO_LABEL,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        return loss_BHW.sum(dim=(1, 2))

    def constant_loss(self, examples: Sequence[MaskedImageExample], encoded: Encoded) -> float | None:
        """Returns the loss of the classes' shares among all pixels."""
        counts_L = np.zeros(len(self.labels))
        for example in examples:
            for index, count in (example.class_counts or {}).items():
                counts_L[index] += count
        if not counts_L.any():
            return None
        return constant_cross_entropy(counts_L, weights=self.class_weights, label_smoothing=self.label_smoothing)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `predictions`, class indices at each image's own size, and how sure the model is of them.

        Returns:
            `predictions` (B, H, W) int16, of as many pixels as the largest image has, `sizes` (B, 2), the height and
            width of each, `confidences` (B,), the mean probability of the likeliest class, and with labels `loss`
            (B,).
        """
        import torch

        outputs = model(**batch.inputs)
        loss = {} if batch.labels is None else {"loss": self.loss(outputs, batch)}
        logits_BLhw, sizes = outputs.logits.float(), batch.extras["sizes"]
        height, width = sizes.amax(dim=0).tolist()
        masks_BHW = torch.zeros(len(sizes), height, width, dtype=torch.int16, device=logits_BLhw.device)
        for row, (height, width) in enumerate(sizes.tolist()):
            masks_BHW[row, :height, :width] = likeliest(logits_BLhw[row], (height, width))
        confidences_B = logits_BLhw.softmax(dim=1).amax(dim=1).mean(dim=(1, 2))
        return {"predictions": masks_BHW, "sizes": sizes, "confidences": confidences_B, **loss}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Cuts each mask to its image's size and compresses it: `predictions` are (N,) of `ClassMask`."""
        found = np.empty(len(arrays["sizes"]), object)
        for row, (height, width) in enumerate(arrays["sizes"].tolist()):
            found[row] = ClassMask(arrays["predictions"][row][:height, :width])
        rest = {name: array for name, array in arrays.items() if name not in ("predictions", "sizes")}
        return {"predictions": found, **rest}

    def references(self, examples: Sequence[MaskedImageExample]) -> np.ndarray:
        """Returns the true masks, which are read when they are asked for: (N,) of `MaskFile`."""
        found = np.empty(len(examples), object)
        for row, example in enumerate(examples):
            found[row] = MaskFile(example.mask, example.mask_name, self.preprocessor.classes)
        return found

    def decode(self, arrays: Arrays, examples: Sequence[MaskedImageExample]) -> list[Prediction]:
        """Returns `mask`, `shares` and `score` of each image: a file, the share of each class, and how sure it is."""
        found = zip(examples, arrays["predictions"], arrays["confidences"], strict=True)
        return [self._prediction(example, mask, float(score)) for example, mask, score in found]

    def _prediction(self, example: MaskedImageExample, mask: ClassMask, score: float) -> Prediction:
        indices_HW = mask.indices()
        shares_L = np.bincount(indices_HW.ravel(), minlength=len(self.labels)) / indices_HW.size
        return {
            "mask": PredictedFile(_file_name(example.name), mask.indices, self._png(mask)),
            "shares": dict(zip(self.labels.names, shares_L.tolist(), strict=True)),
            "score": score,
        }

    def _png(self, mask: ClassMask) -> Any:
        def content() -> bytes:
            import io

            buffer = io.BytesIO()
            self.preprocessor.classes.as_image(mask.indices()).save(buffer, "PNG")
            return buffer.getvalue()

        return content

    def drawn(self, example: MaskedImageExample, prediction: Prediction) -> Image.Image:
        """Returns the image under the colours of its classes, with those that are in it named below."""
        indices_HW, palette = prediction["mask"].value(), self.preprocessor.classes.palette()
        there = np.unique(indices_HW).tolist()
        names, colors = [self.labels.names[index] for index in there], [palette[index] for index in there]
        image = open_image(example.image, example.name)
        return with_legend(with_classes(image, indices_HW, palette), names, colors)

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a mask; each class has a share of None, so that all rows have the same columns."""
        return {"mask": None, "shares": dict.fromkeys(self.labels.names), "score": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}


def _file_name(name: str) -> str:
    """Returns what the file of a mask is called: as the image, below one folder, and a PNG.

    Example: `images/1.jpg` gives `images/1.png`, `/data/cells/1.jpg` gives `1.png`.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    inside = path if not path.is_absolute() and ".." not in path.parts else PurePosixPath(path.name)
    return inside.with_suffix(".png").as_posix() if inside.name else "mask.png"


def enlarged(logits_BLhw: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Returns logits in another size, by bilinear interpolation, as transformers' heads and processors do."""
    from torch.nn import functional

    if tuple(logits_BLhw.shape[-2:]) == tuple(size):
        return logits_BLhw
    return functional.interpolate(logits_BLhw, size=tuple(size), mode="bilinear", align_corners=False)


def likeliest(logits_Lhw: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Returns the likeliest class of each pixel of an image, (H, W) int16.

    Logits are enlarged first and compared then, a few classes at a time, so that no photo takes gigabytes.
    """
    at_once = max(1, MOST_ENLARGED // (size[0] * size[1]))
    best_HW = found_HW = None
    for first in range(0, len(logits_Lhw), at_once):
        values_HW, indices_HW = enlarged(logits_Lhw[None, first : first + at_once], size)[0].max(dim=0)
        indices_HW = indices_HW.short() + first
        if best_HW is None or found_HW is None:
            best_HW, found_HW = values_HW, indices_HW
            continue
        found_HW = indices_HW.where(values_HW > best_HW, found_HW)
        best_HW = values_HW.maximum(best_HW)
    assert found_HW is not None, "a head has an output for each class"
    return found_HW
