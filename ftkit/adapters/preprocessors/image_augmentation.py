"""Random changes of training images: the same picture, seen in another way.

None is made unless the config asks for it. What leaves a cat a cat turns a 6 into a 9, a left turn into a right turn
and the sign of one hand into that of the other; only who knows the labels can say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Augmentation = Literal["horizontal_flip", "resized_crop"]

FLIP_PROBABILITY = 0.5
# Inception's training crops keep 8% to 100% of the picture (arXiv 1409.4842, section 6), for a million pictures and
# hundreds of epochs. Of few pictures and few epochs, half is kept at least: what is shown is mostly still there.
CROP_AREA = (0.5, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)  # width to height, of the same source
CROP_ATTEMPTS = 10


def augmented(image: Image.Image, names: Iterable[str], rng: np.random.Generator) -> Image.Image:
    """Returns a picture changed at random, in the order of the names.

    Args:
        rng: equal generators give equal pictures.
    """
    for name in names:
        image = AUGMENTATIONS[name](image, rng)
    return image


def horizontal_flip(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Returns the picture or, as often, its mirror image."""
    from PIL import Image as Pillow

    if rng.random() >= FLIP_PROBABILITY:
        return image
    return image.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)


def resized_crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Returns a part of the picture of random size, shape and place; the image processor makes all one size.

    Example: of 100 x 100 pixels with the area 0.6 and the ratio 1.2, a part of 85 x 71 pixels.
    """
    for _ in range(CROP_ATTEMPTS):
        area = image.width * image.height * rng.uniform(*CROP_AREA)
        ratio = math.exp(rng.uniform(math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1])))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= image.width and 0 < height <= image.height:
            left = int(rng.integers(image.width - width + 1))
            top = int(rng.integers(image.height - height + 1))
            return image.crop((left, top, left + width, top + height))
    return image  # no part of a very long picture has such a shape


AUGMENTATIONS: Mapping[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "horizontal_flip": horizontal_flip,
    "resized_crop": resized_crop,
}
"""Name in `data.augment` -> what is done."""
