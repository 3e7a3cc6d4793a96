"""Images with boxes: every image becomes the one size that the checkpoint sees, and boxes become shares of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.images import BoxedImageAugment
from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessor import Shown
from ftkit.adapters.preprocessors.image import ImagePreprocessor
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.boxes import DetectionExample
from ftkit.data.drawn_boxes import TRUTH, with_boxes
from ftkit.data.images import open_image
from ftkit.data.problems import Problems
from ftkit.models.detectors import num_queries
from ftkit.models.image_processors import PIXELS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

if TYPE_CHECKING:
    from PIL import Image

MASK = "pixel_mask"
TARGETS = "labels"
"""What transformers calls the boxes to be found, of each image an object of `class_labels` (K,) and `boxes` (K, 4)."""
SIZES = "sizes"
"""Height and width of the images as they are, (B, 2)."""


@dataclass(frozen=True)
class DetectionRows(LazyRows):
    """Rows that hold an image's file or bytes, never its pixels, and what is to be found in it.

    Attributes:
        examples: the images.
        labels: in output order; None without targets.
    """

    examples: Sequence[DetectionExample]
    labels: LabelSpace | None

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        row = {"image": example.image, "name": example.name}
        return row if self.labels is None else {**row, "targets": targets_of(example, self.labels)}


def targets_of(example: DetectionExample, labels: LabelSpace) -> dict[str, np.ndarray]:
    """Returns what is to be found in an image.

    Example: a `cat` at left 20, top 10, right 60, bottom 30 in an image of 200 x 100 pixels, the labels `cat`, `dog`:
    class_labels [0], boxes [[0.2, 0.2, 0.2, 0.2]]: the middle, the width and the height as shares of the image.
    """
    return {
        "class_labels": np.array([labels.index(box.label) for box in example.learnt], np.int64),
        "boxes": _as_shares(_corners_of(example), (example.width, example.height)),
    }


def _corners_of(example: DetectionExample) -> np.ndarray:
    """Returns the boxes that are learnt as left, top, right and bottom in pixels, (K, 4)."""
    return np.array([box.numbers for box in example.learnt], np.float64).reshape(-1, 4)


def _as_shares(corners_K4: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the middle, the width and the height of boxes as shares of an image, (K, 4) float32.

    Args:
        corners_K4: left, top, right, bottom in pixels.
        size: width and height of the image.
    """
    start, stop = np.split(corners_K4 / np.array(size * 2), 2, axis=1)
    return np.concatenate([(start + stop) / 2, stop - start], axis=1).astype(np.float32)


def _as_corners(boxes_K4: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns what `_as_shares` was made of, (K, 4)."""
    middle, extent = np.split(boxes_K4.astype(np.float64) * np.array(size * 2), 2, axis=1)
    return np.concatenate([middle - extent / 2, middle + extent / 2], axis=1)


class DetectionPreprocessor(ImagePreprocessor):
    """YOLOS, DETR and its like: whatever has an image processor that works by Pillow.

    Images are not padded: one of another shape is stretched. So a prediction does not depend on the images beside it,
    and boxes as shares of what the model sees are shares of the image itself, in transformers' own code, too.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("image_size", "boxes_per_image", "augment")
    auto_class: ClassVar[str] = "AutoModelForObjectDetection"
    augment_section: ClassVar[type[BoxedImageAugment]] = BoxedImageAugment

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        image_size: int | None = None,
        boxes_per_image: float | None = None,
        augment: Options = None,
    ) -> None:
        """Loads the image processor.

        Args:
            image_size: pixels of a side of the square that every image becomes; by default as the processor says.
            boxes_per_image: of train; read off the training examples unless it is known.
            augment: changes of training images and their boxes.
        """
        super().__init__(spec, labels, augment=augment, side=image_size)
        self.boxes_per_image = boxes_per_image

    @property
    def resolved_options(self) -> dict[str, Any]:
        """How many boxes an image of train holds, which weighs the classification of what is nothing."""
        return {"boxes_per_image": self.boxes_per_image}

    def shown(self, example: DetectionExample, rng: np.random.Generator | None) -> Shown:
        """Returns an image with the boxes that are learnt, changed as training changes them."""
        image, corners_K4 = open_image(example.image, example.name), _corners_of(example)
        kept_K = np.ones(len(corners_K4), bool)
        if rng is not None:
            image, corners_K4, kept_K = self.augment.applied_to_boxes(image, corners_K4, rng)
        labels = [box.label for box in example.learnt]
        found = zip(labels, corners_K4.tolist(), kept_K, strict=True)
        return with_boxes(image, [(label, tuple(numbers), TRUTH) for label, numbers, kept in found if kept])

    def fit(self, examples: Sequence[DetectionExample]) -> None:
        """Counts the boxes, and makes sure that the model reads what its processor makes."""
        self.boxes_per_image = sum(len(example.learnt) for example in examples) / len(examples)
        super().fit(examples)

    def check(self, splits: Mapping[str, Split[DetectionExample]], problems: Problems) -> None:
        """Tells of images with more boxes than the model answers for: the matching leaves out the hardest of them."""
        most = num_queries(self.spec)
        for split in splits.values():
            for example in split.examples:
                if len(example.boxes or ()) <= most:
                    continue
                problems.warn(
                    f"{split.name}: images with more boxes than the {most} that {self.spec.name!r} finds in one "
                    "(num_queries): of the others nothing is learnt, and they are missed",
                    where=f"{split.where(example)}: {len(example.boxes or ())} boxes",
                    remedy="cut such images into parts, or take a checkpoint with more queries",
                    kind=f"{split.name}: more boxes than queries",
                )

    def encode(self, examples: Sequence[DetectionExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images; nothing is opened.

        Example, YOLOS at 512 x 512 pixels: a.jpg with one box is the row `{"image": "a.jpg", "name": "a.jpg",
        "targets": {"class_labels": [0], "boxes": [[0.2, 0.2, 0.2, 0.2]]}}` of cost 32 x 32 = 1024.
        """
        rows = DetectionRows(examples, self.labels if targets else None)
        return Encoded(rows, np.full(len(examples), self.cost, np.int64))

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and stacks them, in training changed at random where the config asks for it.

        Targets stay a list, one object an image.

        Example: two photos of 640 x 480 pixels, one with a box and one without, give `pixel_values` (2, 3, 512, 512),
        `sizes` [[480, 640], [480, 640]], and `labels` of which the second holds no boxes, (0, 4).
        """
        import torch

        images = [open_image(row["image"], row["name"]) for row in rows]
        targets = [row["targets"] for row in rows if "targets" in row]
        if training and self.augment:
            assert rngs is not None, "what is drawn in training is drawn from generators"
            changed = [self._changed(*row) for row in zip(images, targets, rngs, strict=True)]
            images, targets = [image for image, _ in changed], [found for _, found in changed]
        made = self.processor(images=images, return_tensors="pt")
        inputs: dict[str, Any] = {PIXELS: made[PIXELS]}
        if targets:
            inputs[TARGETS] = [{name: torch.from_numpy(array) for name, array in one.items()} for one in targets]
        sizes_B2 = torch.tensor([[image.height, image.width] for image in images])
        return Batch(inputs=inputs, extras={SIZES: sizes_B2}, num_positions=len(rows) * self.cost)

    def _changed(
        self, image: Image.Image, targets: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> tuple[Image.Image, Mapping[str, np.ndarray]]:
        """Returns an image and what is to be found in it, changed at random."""
        found, moved_K4, kept_K = self.augment.applied_to_boxes(image, _as_corners(targets["boxes"], image.size), rng)
        boxes_K4 = _as_shares(moved_K4[kept_K], found.size)
        return found, {"class_labels": targets["class_labels"][kept_K], "boxes": boxes_K4}
