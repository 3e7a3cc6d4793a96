"""Images, decoded when a batch is made of them and brought to the one size that the checkpoint sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.images import ImageAugment, Picture
from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.columns import pad_columns
from ftkit.adapters.label_column import label_array
from ftkit.adapters.preprocessor import PreprocessorBase, Shown
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.images import ImageExample, open_image
from ftkit.models.image_processors import PIXELS, check_fits, load_image_processor, tensor_shape
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

# A convolution has no tokens to count. A square of 16 x 16 pixels is what most transformers make one of.
SQUARE = 16


def num_squares(shape: tuple[int, int, int]) -> int:
    """Returns how many squares of 16 x 16 pixels an image holds, those at its edges whole.

    Args:
        shape: channels, height, width.
    """
    _, height, width = shape
    return math.ceil(height / SQUARE) * math.ceil(width / SQUARE)


@dataclass(frozen=True)
class ImageRows(LazyRows):
    """Rows that hold an image's file or bytes, never its pixels: a million of them fit into memory.

    Attributes:
        examples: the images.
        labels: what the loss compares with, (N,) or (N, L); None without targets.
    """

    examples: Sequence[ImageExample]
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        row = {"image": example.image, "name": example.name}
        return row if self.labels is None else {**row, "labels": self.labels[index]}


def opened_images(
    rows: Sequence[Mapping[str, Any]], augment: ImageAugment | None, rngs: Sequence[np.random.Generator] | None
) -> list[Any]:
    """Opens the images of rows, each changed at random if there are operations.

    Args:
        rngs: of each row, which its changes are drawn from.
    """
    images = [open_image(row["image"], row["name"]) for row in rows]
    if not augment:
        return images
    assert rngs is not None, "what is drawn in training is drawn from generators"
    return [augment.applied(Picture(image), rng).image for image, rng in zip(images, rngs, strict=True)]


class ImagePreprocessor(PreprocessorBase):
    """ViT, Swin, ConvNeXt, ResNet ...: whatever has an image processor that works by Pillow."""

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("augment",)
    auto_class: ClassVar[str] = "AutoModelForImageClassification"
    sees_whole_images: ClassVar[bool] = False
    augment_section: ClassVar[type[ImageAugment]] = ImageAugment

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        augment: Options = None,
        side: int | None = None,
    ) -> None:
        """Loads the image processor.

        Args:
            max_length: not used: all images have one size.
            augment: changes of training images.
            side: pixels of a side of the square that every image becomes; by default as the processor says.

        Raises:
            CheckpointError: there is no image processor, or none that makes images of one size.
        """
        self.spec, self.labels, self.augment = spec, labels, section_of(self.augment_section, augment)
        self.max_length = None
        self.processor = load_image_processor(spec, self.auto_class, side=side, whole=self.sees_whole_images)
        self.shape = tensor_shape(self.processor, spec)

    @property
    def padding(self) -> Mapping[str, int]:
        """Nothing is padded."""
        return {}

    @property
    def cost(self) -> int:
        """Squares of 16 x 16 pixels in an image as the model sees it."""
        return num_squares(self.shape)

    def shown(self, example: Any, rng: np.random.Generator | None) -> Shown:
        """Returns an image, changed as training changes it."""
        picture = Picture(open_image(example.image, example.name))
        return (picture if rng is None else self.augment.applied(picture, rng)).image

    def fit(self, examples: Sequence[Any]) -> None:
        """Makes sure, before a run, that the model reads what its processor makes."""
        check_fits(self.spec, self.auto_class, self.shape)

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Returns rows that name their images; nothing is opened.

        Example, ViT of 224 x 224 pixels, the labels `cat`, `dog`: photos/dog/1.jpg is the row
        `{"image": "photos/dog/1.jpg", "name": "dog/1.jpg", "labels": 1}` of cost 14 x 14 = 196.
        """
        labels = None
        if targets:
            assert self.labels is not None
            labels = label_array(examples, self.labels)
            labels = labels.astype(np.float32) if labels.ndim > 1 else labels
        return Encoded(ImageRows(examples, labels), np.full(len(examples), self.cost, np.int64))

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and stacks them, changed at random in training where the config asks for it.

        Example, ViT (scaled to -1 .. 1): a white and a black image of any size, labelled 0 and 1, give `pixel_values`
        (2, 3, 224, 224) float32, all 1.0 and all -1.0, and labels [0, 1].
        """
        images = opened_images(rows, self.augment if training else None, rngs)
        pixels_BCHW = self.processor(images=images, return_tensors="pt")[PIXELS]
        labels = (
            pad_columns([{"labels": row["labels"]} for row in rows], {})["labels"] if "labels" in rows[0] else None
        )
        return Batch(inputs={PIXELS: pixels_BCHW}, labels=labels, num_positions=len(rows) * self.cost)
