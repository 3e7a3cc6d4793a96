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
