"""Masks: images whose pixels name classes, and the one way in which a file becomes class indices.

A mask is no picture: nothing of it is blended, converted by a palette or taken for grey. A pixel's value is the index
in a palette, the number in a grey image of any depth, or the packed colour of an RGB image.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ftkit.data.images import ImageSource, open_image, opened_image, pixel_digest, upright
from ftkit.data.outlined_masks import OutlinedMask
from ftkit.errors import DataError
from ftkit.types import CellError

if TYPE_CHECKING:
    from PIL import Image

IGNORED = -1
"""The class index of pixels that are left out."""

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class MaskedImageExample:
    """One image, and the mask that says the class of each of its pixels.

    Attributes:
        id: the row's `id` column, else its 0-based position in its source; of a folder its name.
        image: where the pixels are.
        name: the image's name for people, such as `images/1.jpg`.
        mask: where the mask is; None when the row is only to be predicted, or lacks one.
        mask_name: the mask's name for people.
        line: where the row begins in its file, for messages; 0 where an image is a file of a folder.
        digest: of the decoded image, where it has been looked at already.
        values: of the mask, where it has been looked at: value -> number of pixels.
        is_colored: whether the mask is RGB with colours, not greys.
        class_counts: pixels by class index, without those that are left out.
        group: what the row shares with others that must stay on one side of a split, such as a patient.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    image: ImageSource
    name: str
    mask: MaskSource = None
    mask_name: str = ""
    line: int = 0
    digest: str = ""
    values: Mapping[int, int] | None = None
    is_colored: bool = False
    class_counts: Mapping[int, int] | None = None
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """What is held in memory before the files are decoded, in characters or bytes."""
        return sum(len(part) for part in (self.image, self.mask) if isinstance(part, (str, bytes))) or len(self.name)

    def key(self) -> Hashable:
        """Returns the digest of the image's pixels."""
        return self.digest or pixel_digest(open_image(self.image, self.name))

    def summary(self) -> str:
        """Returns the image's name."""
        return self.name


MaskSource: TypeAlias = "ImageSource | OutlinedMask"
"""An image, or regions that are drawn."""


def open_mask(source: MaskSource, name: str = "the mask", *, as_colors: bool = False) -> np.ndarray:
    """Decodes a mask to the values of its pixels.

    | the file | a pixel's value |
    |---|---|
    | grey of 1, 8, 16 or 32 bits | the number: 255 is 255, and white in 1 bit is 1 |
    | palette | the index in the palette, whatever its colour |
    | RGB whose three channels are equal everywhere | as of grey |
    | any of 8 bits with `as_colors` | the colour, packed; see `packed` |

    Args:
        source: where the mask is.
        name: for messages.
        as_colors: classes are told by colours; also those of a palette count then.

    Returns:
        (H, W) int32, upright.

    Raises:
        DataError: it cannot be opened, was saved as JPEG, is half transparent, or holds fractions.

    Example:
        A palette image of 2 x 1 pixels with the indices 0 and 3 is `[[0, 3]]`. With `as_colors`, RGB pixels of
        (128, 0, 0) and (0, 0, 0) are `[[8388608, 0]]`.
    """
    return read_mask(source, name, as_colors=as_colors)[0]


def read_mask(source: MaskSource, name: str, *, as_colors: bool = False) -> tuple[np.ndarray, bool]:
    """Returns the values of `open_mask`, (H, W), and whether the file is RGB with colours, which are packed anyway.

    Raises:
        DataError: there is no mask, or the file is none that keeps values.
    """
    if source is None:
        raise DataError(f"{name}: there is no mask.")
    if isinstance(source, OutlinedMask):
        return source.values(), False
    image = opened_image(source, name)
    if image.format == "JPEG":
        raise DataError(
            f"{name} is a JPEG, which blends the values of neighbouring pixels: what the classes were is lost. "
            "Export the masks as PNG"
        )
    image = upright(image)
    if image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        image = _without_alpha(image, name)
    if as_colors and not image.mode.startswith(("I", "F")):
        return _of_colors(image), True
    if image.mode in ("P", "L", "1") or image.mode.startswith(("I", "F")):
        return _of_numbers(np.asarray(image), name), False
    colors = image.convert("RGB")
    first, *others = colors.split()
    if all(np.array_equal(np.asarray(first), np.asarray(other)) for other in others):
        return np.asarray(first).astype(np.int32), False
    return _of_colors(colors), True


def packed(color: Sequence[int]) -> int:
    """Returns a colour as one number: red * 65536 + green * 256 + blue.

    Example:
        >>> packed((128, 0, 0))
        8388608
    """
    red, green, blue = color
    return (red << 16) | (green << 8) | blue


def unpacked(value: int) -> Color:
    """Returns the colour of a number that `packed` made."""
    return (value >> 16) & 255, (value >> 8) & 255, value & 255


def _of_numbers(values_HW: np.ndarray, name: str) -> np.ndarray:
    least = values_HW.min(initial=0)
    if least < 0 or not np.array_equal(values_HW, np.rint(values_HW)):
        raise DataError(f"{name} holds fractions or negative numbers; expected whole numbers, one for each class.")
    return values_HW.astype(np.int32)


def _without_alpha(image: Image.Image, name: str) -> Image.Image:
    alpha = np.asarray(image.getchannel("A"))
    if alpha.min(initial=255) < 255:
        raise DataError(
            f"{name} is transparent in places, and transparency is no class. Save it without an alpha channel"
        )
    return image.convert("L" if image.mode in ("LA", "La") else "P" if image.mode == "PA" else "RGB")


def _of_colors(image: Image.Image) -> np.ndarray:
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue


@dataclass(frozen=True)
class MaskClasses:
    """What the values of masks mean.

    Attributes:
        values: of each class, in the order of the labels.
        ignored: the value of pixels that are left out; None: there is none.
        are_colors: whether values are packed colours.
    """

    values: tuple[int, ...]
    ignored: int | None = None
    are_colors: bool = False

    def indices(self, values_HW: np.ndarray, name: str = "the mask") -> np.ndarray:
        """Returns the class index of each pixel, int16, `IGNORED` where it is left out.

        Raises:
            DataError: a value is none of a class.

        Example, the values 0 and 255, of which 7 is left out: `[[0, 255, 7]]` gives `[[0, 1, -1]]`.
        """
        known = np.asarray(self.values if self.ignored is None else (*self.values, self.ignored), np.int64)
        index = np.arange(len(known), dtype=np.int16)
        if self.ignored is not None:
            index[-1] = IGNORED
        order = np.argsort(known)
        places = np.searchsorted(known[order], values_HW)
        places = np.minimum(places, len(known) - 1)
        found = order[places]
        unknown = known[found] != values_HW
        if unknown.any():
            raise DataError(f"{name} holds {shown_value(int(values_HW[unknown][0]), self.are_colors)}, no class's.")
        return index[found]

    def open(self, source: MaskSource, name: str) -> np.ndarray:
        """Returns the class index of each pixel of a mask's file; see `indices`."""
        return self.indices(open_mask(source, name, as_colors=self.are_colors), name)

    def palette(self) -> list[Color]:
        """Returns a colour for each class: its own, or one that is told easily from the others."""
        if self.are_colors:
            return [unpacked(value) for value in self.values]
        return [distinct_color(index) for index in range(len(self.values))]

    def as_image(self, indices_HW: np.ndarray) -> Image.Image:
        """Returns class indices as an image that `open_mask` reads back, in the values of the users' own masks.

        It has a palette where values fit into one; with colours the palette holds these, and programs that show it as
        RGB see the users' own masks. Values above 255 are grey values of 16 bits.
        """
        from PIL import Image

        if self.are_colors and len(self.values) > 256:
            colors = np.asarray(self.palette(), np.uint8)
            return Image.fromarray(colors[indices_HW])
        if not self.are_colors and max(self.values) > 255:
            return Image.fromarray(np.asarray(self.values, np.uint16)[indices_HW])
        stored = range(len(self.values)) if self.are_colors else self.values
        image = Image.fromarray(np.asarray(list(stored), np.uint8)[indices_HW])
        palette = [0] * 768
        for place, color in zip(stored, self.palette(), strict=True):
            palette[3 * place : 3 * place + 3] = color
        image.putpalette(palette)
        return image


# Okabe and Ito's colours, which people who do not tell red from green tell apart too, with a grey for what comes
# first: mostly the background.
_COLORS: tuple[Color, ...] = (
    (70, 70, 70),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)


def distinct_color(index: int) -> Color:
    """Returns a colour for a class; those of the first 256 differ."""
    if index < len(_COLORS):
        return _COLORS[index]
    color = [0, 0, 0]
    for bit in range(8):  # Pascal VOC's colour map: the bits of the index, spread over the channels
        for channel in range(3):
            color[channel] |= ((index >> channel) & 1) << (7 - bit)
        index >>= 3
    return color[0], color[1], color[2]


def shown_value(value: int, is_color: bool) -> str:
    """Returns a mask's value as people write it: `the value 7`, or `the colour [128, 0, 0]`."""
    return f"the colour {list(unpacked(value))}" if is_color else f"the value {value}"


class ClassMask:
    """Class indices of one image, held in few bytes."""

    __slots__ = ("content", "shape")

    def __init__(self, indices_HW: np.ndarray) -> None:
        self.shape = indices_HW.shape
        self.content = zlib.compress(np.ascontiguousarray(indices_HW, np.int16).tobytes(), 1)

    def indices(self) -> np.ndarray:
        """Returns them, (H, W) int16."""
        return np.frombuffer(zlib.decompress(self.content), np.int16).reshape(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassMask) and (self.shape, self.content) == (other.shape, other.content)

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True)
class MaskFile:
    """Class indices of one image, read from its file whenever they are asked for."""

    source: MaskSource
    name: str
    classes: MaskClasses

    def indices(self) -> np.ndarray:
        """Returns them, (H, W) int16."""
        return self.classes.open(self.source, self.name)


@dataclass(frozen=True)
class OneClass:
    """One class for all pixels of an image, of whatever size."""

    index: int

    def indices(self) -> np.ndarray:
        """Returns the class alone, which stands for every pixel: (1, 1)."""
        return np.full((1, 1), self.index, np.int16)
