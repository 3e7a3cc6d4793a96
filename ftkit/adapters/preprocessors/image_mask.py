"""Images with masks: decoded when a batch is made of them, and brought to the one size that the checkpoint sees."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.images import Picture
from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessor import Shown
from ftkit.adapters.preprocessors.image import ImagePreprocessor
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.drawn_masks import with_classes
from ftkit.data.images import open_image
from ftkit.data.masks import IGNORED, MaskClasses, MaskedImageExample
from ftkit.models.image_processors import PIXELS, resize_whole
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

NO_LABEL = -100
"""What the loss leaves out."""


@dataclass(frozen=True)
class ImageMaskRows(LazyRows):
    """Rows that hold the files or bytes of an image and its mask, never their pixels.

    Attributes:
        examples: the images.
        classes: what the values of masks mean; None without targets.
        shape: height and width of the image as the model sees it.
    """

    examples: Sequence[MaskedImageExample]
    classes: MaskClasses | None
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        row = {"image": example.image, "name": example.name}
        if self.classes is None:
            return row
        return {**row, "mask": example.mask, "mask_name": example.mask_name}

    @functools.cached_property
    def num_pixels(self) -> np.ndarray:
        """Pixels of each mask, as the model sees it, that are of a class; masks are read where some are left out."""
        height, width = self.shape
        if self.classes is None or self.classes.ignored is None:
            return np.full(len(self), height * width, np.int64)
        return np.array([self._pixels_of_classes(example) for example in self.examples], np.int64)

    def _pixels_of_classes(self, example: MaskedImageExample) -> int:
        assert self.classes is not None
        if example.values is not None and self.classes.ignored not in example.values:
            return self.shape[0] * self.shape[1]
        mask_HW = resized(self.classes.open(example.mask, example.mask_name), self.shape)
        return int(np.count_nonzero(mask_HW != IGNORED))


class ImageMaskPreprocessor(ImagePreprocessor):
    """SegFormer, BEiT, DPT, UPerNet ...: whatever labels pixels and has an image processor that works by Pillow."""

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("augment", "mask_values", "ignored_value", "are_colors", "image_size")
    auto_class: ClassVar[str] = "AutoModelForSemanticSegmentation"
    sees_whole_images: ClassVar[bool] = True

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        augment: Options = None,
        mask_values: Sequence[int] | None = None,
        ignored_value: int | None = None,
        are_colors: bool = False,
        image_size: Sequence[int] | None = None,
    ) -> None:
        """Loads the processor, and has it show the model whole images.

        Args:
            augment: changes of training images and their masks.
            mask_values: of each class, in the order of the labels; their indices by default.
            ignored_value: of pixels that are left out.
            are_colors: whether these values are packed colours.
            image_size: height and width of the image as the model sees it; by default as the processor says.
        """
        super().__init__(spec, labels, augment=augment)
        values = range(0 if labels is None else len(labels)) if mask_values is None else mask_values
        self.classes = MaskClasses(tuple(values), ignored_value, are_colors)
        height, width = self.shape[1:] if image_size is None else image_size
        resize_whole(self.processor, height, width)
        self.shape = (self.shape[0], height, width)

    def shown(self, example: MaskedImageExample, rng: np.random.Generator | None) -> Shown:
        """Returns an image with its classes laid over it, changed as training changes them."""
        mask_HW = self.classes.open(example.mask, example.mask_name)
        picture = Picture(open_image(example.image, example.name), mask_HW)
        picture = picture if rng is None else self.augment.applied(picture, rng)
        assert picture.mask is not None
        return with_classes(picture.image, picture.mask, self.classes.palette())

    def encode(self, examples: Sequence[MaskedImageExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images and masks; nothing is opened.

        Example, a model that sees 512 x 512 pixels: cells/images/1.jpg is the row `{"image": "cells/images/1.jpg",
        "name": "images/1.jpg", "mask": "cells/masks/1.png", "mask_name": "masks/1.png"}` of cost 32 x 32 = 1024.
        """
        rows = ImageMaskRows(examples, self.classes if targets else None, self.shape[1:])
        return Encoded(rows, np.full(len(examples), self.cost, np.int64))

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and masks and stacks them; in training both are changed as the config asks for.

        The processor resizes images as it likes, and masks take the nearest pixel: between two classes lies no third.

        Example, a model that sees 2 x 2 pixels: a white image of 4 x 4 with a mask whose left half is 0 and whose
        right half is 255, both classes, give `pixel_values` (1, 3, 2, 2), labels [[[0, 1], [0, 1]]], and `sizes`
        [[4, 4]], the height and width that predictions get.
        """
        import torch

        images = [open_image(row["image"], row["name"]) for row in rows]
        masks = [self.classes.open(row["mask"], row["mask_name"]) for row in rows if "mask" in row]
        sizes = [(image.height, image.width) for image in images]
        if training and self.augment:
            assert rngs is not None, "what is drawn in training is drawn from generators"
            pictures = [Picture(image, mask) for image, mask in zip(images, masks, strict=True)]
            pictures = [self.augment.applied(picture, rng) for picture, rng in zip(pictures, rngs, strict=True)]
            images = [picture.image for picture in pictures]
            masks = [picture.mask for picture in pictures if picture.mask is not None]
        pixels_BCHW = self.processor(images=images, return_tensors="pt")[PIXELS]
        labels_BHW = None
        if masks:
            stacked = np.stack([resized(mask, self.shape[1:]) for mask in masks]).astype(np.int64)
            labels_BHW = torch.from_numpy(np.where(stacked == IGNORED, NO_LABEL, stacked))
        return Batch(
            inputs={PIXELS: pixels_BCHW},
            labels=labels_BHW,
            extras={"sizes": torch.tensor(sizes)},
            num_positions=len(rows) * self.cost,
        )


def resized(mask_HW: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Returns a mask in another size: of each new pixel the old one that lies below its middle.

    Example: a row of 4 pixels `[0, 0, 1, 1]` as 2 is `[0, 1]`; as 8 it is `[0, 0, 0, 0, 1, 1, 1, 1]`.

    Args:
        shape: height and width of what is returned.
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for old, new in zip(mask_HW.shape, shape, strict=True)
    )
    return mask_HW[rows[:, None], columns[None, :]]
