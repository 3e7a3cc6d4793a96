"""Random changes of images, with Pillow and NumPy; masks and boxes move with their image.

None is made unless the config asks for it. What leaves a cat a cat turns a 6 into a 9, a left turn into a right turn
and the sign of one hand into that of the other; only who knows the labels can say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from ftkit.adapters.augmentation.operation import IN_ORDER, Augment, DrawnOperation
from ftkit.data.masks import IGNORED

if TYPE_CHECKING:
    from PIL import Image

CROP_ATTEMPTS = 10

Part = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
Width = Annotated[float, Field(ge=0, le=0.1)]


@dataclass(frozen=True)
class Picture:
    """An image, and what is known of its pixels.

    Attributes:
        image: of mode RGB.
        mask: the class of each pixel, (H, W) int16, `IGNORED` where there is none.
        boxes: left, top, right, bottom in pixels, (K, 4).
        visible: the share of each box that is still in the image, (K,).
    """

    image: Image.Image
    mask: np.ndarray | None = None
    boxes: np.ndarray | None = None
    visible: np.ndarray | None = None

    def moved(self, image: Image.Image, mask: np.ndarray | None, boxes: np.ndarray | None) -> Picture:
        """Returns the picture after its pixels were moved; boxes are clipped to the new image."""
        if boxes is None:
            return Picture(image, mask)
        clipped = np.clip(boxes, 0.0, np.array([image.width, image.height] * 2, np.float64))
        before, after = _areas(boxes), _areas(clipped)
        shares = np.divide(after, before, out=np.zeros(len(boxes)), where=before > 0)
        seen = np.ones(len(boxes)) if self.visible is None else self.visible
        return Picture(image, mask, clipped, seen * shares)

    def recoloured(self, image: Image.Image) -> Picture:
        """Returns the picture after its pixels have got other colours, and stayed where they were."""
        return replace(self, image=image)


def _areas(boxes: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


class ImageOperation(DrawnOperation):
    """A change of an image, and of what lies in it."""

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Returns the picture, changed within the operation's bounds."""
        raise NotImplementedError


# --- where pixels are ---------------------------------------------------------------------------------------


class HorizontalFlip(ImageOperation):
    """The mirror image, left for right."""

    probability: float = Field(0.5, gt=0, le=1, description="Share of the images that are mirrored.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Mirrors the picture."""
        from PIL import Image

        image, boxes = picture.image, picture.boxes
        if boxes is not None:
            boxes = np.stack([image.width - boxes[:, 2], boxes[:, 1], image.width - boxes[:, 0], boxes[:, 3]], axis=1)
        mask = None if picture.mask is None else picture.mask[:, ::-1]
        return picture.moved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), mask, boxes)


class VerticalFlip(ImageOperation):
    """The mirror image, top for bottom, as of what is seen from above or through a microscope."""

    probability: float = Field(0.5, gt=0, le=1, description="Share of the images that are turned upside down.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Mirrors the picture."""
        from PIL import Image

        image, boxes = picture.image, picture.boxes
        if boxes is not None:
            boxes = np.stack(
                [boxes[:, 0], image.height - boxes[:, 3], boxes[:, 2], image.height - boxes[:, 1]], axis=1
            )
        mask = None if picture.mask is None else picture.mask[::-1]
        return picture.moved(image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), mask, boxes)


class Rotate(ImageOperation):
    """A turn about the middle; what comes in at the corners has the image's mean colour, and no class."""

    degrees: float = Field(10.0, gt=0, le=180, description="The largest turn, to either side.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Turns the picture; a box becomes the upright box around its turned corners."""
        from PIL import Image

        angle = float(rng.uniform(-self.degrees, self.degrees))
        mask = picture.mask
        if mask is not None:
            turned = Image.fromarray(mask.astype(np.int32)).rotate(angle, Image.Resampling.NEAREST, fillcolor=IGNORED)
            mask = np.asarray(turned).astype(np.int16)
        boxes = None if picture.boxes is None else _turned(picture.boxes, angle, picture.image.size)
        image = picture.image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=_mean_colour(picture.image))
        return picture.moved(image, mask, boxes)


def _turned(boxes: np.ndarray, angle: float, size: tuple[int, int]) -> np.ndarray:
    """Returns the upright boxes around boxes that were turned about the middle of an image.

    Example: a box of 20 x 10 pixels in the middle of an image, turned by 90 degrees, has 10 x 20.

    Args:
        boxes: (K, 4).
        angle: in degrees, against the clock.
        size: width and height of the image.
    """
    middle = np.array(size, np.float64) / 2
    points = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) - middle
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    points = points @ np.array([[cosine, -sine], [sine, cosine]]) + middle
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


class ResizedCrop(ImageOperation):
    """A part of the image of random size, shape and place, which then gets the size that the model sees.

    Inception's training crops keep 8% to 100% of the picture (arXiv 1409.4842, section 6), for a million pictures and
    hundreds of epochs. Of few pictures and few epochs, half is kept at least: what is shown is mostly still there.
    """

    area: Annotated[tuple[Part, Part], IN_ORDER] = Field(
        (0.5, 1.0), description="Share of the image's area that is kept."
    )
    ratio: Annotated[tuple[Ratio, Ratio], IN_ORDER] = Field((3 / 4, 4 / 3), description="Width to height of the part.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Crops the picture.

        Example: of 100 x 100 pixels with the area 0.6 and the ratio 1.2, a part of 85 x 71 pixels.
        """
        image = picture.image
        part = _drawn_part(image.size, self.area, self.ratio, rng)
        if part is None:
            return picture  # no part of a very long picture has such a shape
        left, top, width, height = part
        mask = None if picture.mask is None else picture.mask[top : top + height, left : left + width]
        boxes = None if picture.boxes is None else picture.boxes - np.array([left, top] * 2)
        return picture.moved(image.crop((left, top, left + width, top + height)), mask, boxes)


def _drawn_part(
    size: tuple[int, int], areas: tuple[float, float], ratios: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Returns left, top, width and height of a part of an image; None where no part of such a shape was found."""
    for _ in range(CROP_ATTEMPTS):
        area = size[0] * size[1] * rng.uniform(*areas)
        ratio = math.exp(rng.uniform(math.log(ratios[0]), math.log(ratios[1])))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= size[0] and 0 < height <= size[1]:
            return int(rng.integers(size[0] - width + 1)), int(rng.integers(size[1] - height + 1)), width, height
    return None


# --- what pixels look like ----------------------------------------------------------------------------------


class ColorJitter(ImageOperation):
    """Other brightness, contrast, saturation and hue, each by a factor or a turn drawn up to its bound."""

    brightness: float = Field(
        0.2, ge=0, le=1, description="The factor is drawn from 1 - brightness to 1 + brightness."
    )
    contrast: float = Field(0.2, ge=0, le=1, description="Likewise, of the distance from the mean grey.")
    saturation: float = Field(0.2, ge=0, le=1, description="Likewise, of the distance from grey.")
    hue: float = Field(0.0, ge=0, le=0.5, description="Largest turn of the colour circle to either side, as a share.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Recolours the picture; all four are drawn, whichever are 0, so that one bound changes no other draw."""
        from PIL import Image, ImageEnhance

        image = picture.image
        for enhance, bound in (
            (ImageEnhance.Brightness, self.brightness),
            (ImageEnhance.Contrast, self.contrast),
            (ImageEnhance.Color, self.saturation),
        ):
            factor = rng.uniform(1 - bound, 1 + bound)
            image = enhance(image).enhance(factor) if bound else image
        turn = round(255 * rng.uniform(-self.hue, self.hue))
        if turn:
            hue, saturation, value = image.convert("HSV").split()
            turned = Image.fromarray(((np.asarray(hue).astype(np.int16) + turn) % 256).astype(np.uint8))
            image = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
        return picture.recoloured(image)


class Grayscale(ImageOperation):
    """The image in greys."""

    probability: float = Field(0.1, gt=0, le=1, description="Share of the images that lose their colours.")

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Takes the colours away."""
        return picture.recoloured(picture.image.convert("L").convert("RGB"))


class Blur(ImageOperation):
    """A Gaussian blur; its width is told by the image's shorter side, whatever size the file has."""

    probability: float = Field(0.2, gt=0, le=1, description="Share of the images that are blurred.")
    sigma: Annotated[tuple[Width, Width], IN_ORDER] = Field(
        (0.001, 0.01), description="Standard deviation as a share of the shorter side: 0.01 of 224 pixels are 2.24."
    )

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Blurs the picture."""
        from PIL import ImageFilter

        radius = float(rng.uniform(*self.sigma)) * min(picture.image.size)
        return picture.recoloured(picture.image.filter(ImageFilter.GaussianBlur(radius)))


class Erase(ImageOperation):
    """A rectangle in the image's mean colour (random erasing, arXiv 1708.04896); masks and boxes stay as they are."""

    probability: float = Field(0.25, gt=0, le=1, description="Share of the images that lose a part.")
    area: Annotated[tuple[Part, Part], IN_ORDER] = Field(
        (0.02, 0.2), description="Share of the image's area that is covered."
    )
    ratio: Annotated[tuple[Ratio, Ratio], IN_ORDER] = Field(
        (0.3, 3.3), description="Width to height of the rectangle."
    )

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Covers a part of the picture."""
        part = _drawn_part(picture.image.size, self.area, self.ratio, rng)
        if part is None:
            return picture
        left, top, width, height = part
        image = picture.image.copy()
        image.paste(_mean_colour(image), (left, top, left + width, top + height))
        return picture.recoloured(image)


def _mean_colour(image: Image.Image) -> tuple[int, ...]:
    means = np.asarray(image, np.float64).reshape(-1, 3).mean(axis=0)
    return tuple(int(value) for value in np.rint(means))


# --- all of them --------------------------------------------------------------------------------------------


class ImageAugment(Augment):
    """Random changes of training images, in this order."""

    horizontal_flip: HorizontalFlip | None = Field(None, description="Mirrors left for right.")
    vertical_flip: VerticalFlip | None = Field(None, description="Mirrors top for bottom.")
    rotate: Rotate | None = Field(None, description="Turns about the middle.")
    resized_crop: ResizedCrop | None = Field(None, description="Keeps a part, in the size of the whole.")
    color_jitter: ColorJitter | None = Field(None, description="Changes brightness, contrast and colours.")
    grayscale: Grayscale | None = Field(None, description="Takes the colours away.")
    blur: Blur | None = Field(None, description="Blurs.")
    erase: Erase | None = Field(None, description="Covers a rectangle.")

    def applied(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """Returns a picture changed at random; equal generators give equal pictures."""
        for operation in self.drawn(rng):
            picture = operation.apply(picture, rng)
        return picture

    def applied_in_size(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Returns an image changed at random, in the size that it had: where tokens are counted by sizes."""
        from PIL import Image as Pillow

        changed = self.applied(Picture(image), rng).image
        return changed if changed.size == image.size else changed.resize(image.size, Pillow.Resampling.BICUBIC)


class BoxedImageAugment(ImageAugment):
    """Random changes of training images with boxes."""

    min_visibility: float = Field(
        0.25, ge=0, le=1, description="A box of which less than this share is left in the image is left out."
    )

    def applied_to_boxes(
        self, image: Image.Image, boxes: np.ndarray, rng: np.random.Generator
    ) -> tuple[Image.Image, np.ndarray, np.ndarray]:
        """Returns an image changed at random, its boxes (K, 4) moved and clipped, and which of them are kept, (K,).

        Args:
            boxes: left, top, right, bottom in pixels, (K, 4).
        """
        found = self.applied(Picture(image, boxes=boxes), rng)
        assert found.boxes is not None
        visible = np.ones(len(boxes)) if found.visible is None else found.visible
        return found.image, found.boxes, (visible >= self.min_visibility) & (_areas(found.boxes) > 0)
