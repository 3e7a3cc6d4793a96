"""Images with boxes: every image becomes the one size that the checkpoint sees, and boxes become shares of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.preprocessors.image import num_squares
from ftkit.adapters.rows import Batch, Encoded
from ftkit.adapters.task_adapter import PreprocessorBase
from ftkit.data.boxes import DetectionExample
from ftkit.data.images import open_image
from ftkit.models.image_processors import PIXELS, check_fits, load_image_processor, tensor_shape
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

MASK = "pixel_mask"
TARGETS = "labels"
"""What transformers calls the boxes to be found, of each image an object of `class_labels` (K,) and `boxes` (K, 4)."""
SIZES = "sizes"
"""Height and width of the images as they are, (B, 2)."""


@dataclass(frozen=True)
class DetectionRows:
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

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


def targets_of(example: DetectionExample, labels: LabelSpace) -> dict[str, np.ndarray]:
    """Returns what is to be found in an image.

    Example: a `cat` at left 20, top 10, right 60, bottom 30 in an image of 200 x 100 pixels, the labels `cat`, `dog`:
    class_labels [0], boxes [[0.2, 0.2, 0.2, 0.2]]: the middle, the width and the height as shares of the image.
    """
    learnt = example.learnt
    corners_K4 = np.array([box.numbers for box in learnt], np.float64).reshape(-1, 4)
    corners_K4 /= np.array([example.width, example.height] * 2)
    start, stop = corners_K4[:, :2], corners_K4[:, 2:]
    boxes_K4 = np.concatenate([(start + stop) / 2, stop - start], axis=1).astype(np.float32)
    return {
        "class_labels": np.array([labels.index(box.label) for box in learnt], np.int64),
        "boxes": boxes_K4,
    }


class DetectionPreprocessor(PreprocessorBase):
    """YOLOS, DETR and its like: whatever has an image processor that works by Pillow.

    Images are not padded: one of another shape is stretched. So a prediction does not depend on the images beside it,
    and boxes as shares of what the model sees are shares of the image itself, in transformers' own code, too.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("image_size", "boxes_per_image")

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        image_size: int | None = None,
        boxes_per_image: float | None = None,
    ) -> None:
        """Loads the image processor.

        Args:
            image_size: pixels of a side of the square that every image becomes; by default as the processor says.
            boxes_per_image: of train; read off the training examples unless it is known.
        """
        self.spec, self.labels, self.boxes_per_image = spec, labels, boxes_per_image
        self.max_length = None  # all images have one size
        self.processor = load_image_processor(spec, "AutoModelForObjectDetection", side=image_size)
        self.shape = tensor_shape(self.processor, spec)

    @property
    def padding(self) -> Mapping[str, int]:
        """Nothing is padded."""
        return {}

    @property
    def resolved_options(self) -> dict[str, Any]:
        """How many boxes an image of train holds, which weighs the classification of what is nothing."""
        return {"boxes_per_image": self.boxes_per_image}

    def fit(self, examples: Sequence[DetectionExample]) -> None:
        """Counts the boxes, and makes sure that the model reads what its processor makes."""
        self.boxes_per_image = sum(len(example.learnt) for example in examples) / len(examples)
        check_fits(self.spec, "AutoModelForObjectDetection", self.shape)

    def encode(self, examples: Sequence[DetectionExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images; nothing is opened.

        Example, YOLOS at 512 x 512 pixels: a.jpg with one box is the row `{"image": "a.jpg", "name": "a.jpg",
        "targets": {"class_labels": [0], "boxes": [[0.2, 0.2, 0.2, 0.2]]}}` of cost 32 x 32 = 1024.
        """
        rows = DetectionRows(examples, self.labels if targets else None)
        return Encoded(rows, np.full(len(examples), num_squares(self.shape), np.int64))

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and stacks them; targets stay a list, one object an image.

        Example: two photos of 640 x 480 pixels, one with a box and one without, give `pixel_values` (2, 3, 512, 512),
        `sizes` [[480, 640], [480, 640]], and `labels` of which the second holds no boxes, (0, 4).
        """
        import torch

        images = [open_image(row["image"], row["name"]) for row in rows]
        made = self.processor(images=images, return_tensors="pt")
        inputs: dict[str, Any] = {PIXELS: made[PIXELS]}
        if "targets" in rows[0]:
            inputs[TARGETS] = [
                {name: torch.from_numpy(array) for name, array in row["targets"].items()} for row in rows
            ]
        sizes_B2 = torch.tensor([[image.height, image.width] for image in images])
        return Batch(inputs=inputs, extras={SIZES: sizes_B2}, num_positions=len(rows) * num_squares(self.shape))
