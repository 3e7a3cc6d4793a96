"""Images with their masks laid over them, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ftkit.data.masks import Color

if TYPE_CHECKING:
    from PIL import Image

MASK_WEIGHT = 0.55  # of the colours of classes over the image


def with_classes(image: Image.Image, indices_HW: np.ndarray, palette: Sequence[Color]) -> Image.Image:
    """Returns an image under the colours of its classes; pixels that are left out show the image alone."""
    from PIL import Image as Pillow

    colors = np.asarray(palette, np.float64)[np.maximum(indices_HW, 0)]
    pixels = np.asarray(image, np.float64)
    blended = np.where(indices_HW[..., None] >= 0, pixels * (1 - MASK_WEIGHT) + colors * MASK_WEIGHT, pixels)
    return Pillow.fromarray(blended.round().astype(np.uint8))


def with_legend(image: Image.Image, names: Sequence[str], palette: Sequence[Color]) -> Image.Image:
    """Returns an image with a line below it for each class: its colour and its name."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    height = max(12, image.width // 40)
    made = Pillow.new("RGB", (image.width, image.height + height * len(names)), "white")
    made.paste(image)
    drawing, font = ImageDraw.Draw(made), ImageFont.load_default(height * 0.8)
    for place, (name, color) in enumerate(zip(names, palette, strict=False)):
        top = image.height + place * height
        drawing.rectangle((2, top + 2, height - 2, top + height - 2), fill=tuple(color))
        drawing.text((height + 2, top), name.encode("latin-1", "replace").decode("latin-1"), "black", font)
    return made
