"""Looks at masks before anything is trained: which values they hold, and whether they fit their images."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.data.image_check import look_at_images, reason_of
from ftkit.data.masks import MaskClasses, MaskedImageExample, read_mask, shown_value
from ftkit.data.problems import Problems
from ftkit.data.row_cells import check_cells
from ftkit.errors import DataError
from ftkit.types import CellError, Split

if TYPE_CHECKING:
    from PIL import Image


def look_at_masks(splits: Mapping[str, Split[Any]], problems: Problems, *, as_colors: bool) -> dict[str, Split[Any]]:
    """Decodes every image and every mask once.

    Args:
        problems: what cannot be decoded, is missing, or differs in size is added, by file and row.
        as_colors: as of `open_mask`.

    Returns:
        The splits without what cannot be used, with `digest`, `values` and `is_colored` of each example.
    """
    look = functools.partial(_look, as_colors)
    looked = look_at_images(splits, problems, look_further=look)
    return {name: check_cells(split, problems) for name, split in looked.items()}


def _look(as_colors: bool, example: MaskedImageExample, image: Image.Image) -> Mapping[str, Any]:
    """Returns the values of an example's mask, or what is wrong with it."""
    if example.mask is None:
        return _wrong("no mask", "there is no mask", "add the mask, or take the image out")
    try:
        values_HW, is_colored = read_mask(example.mask, example.mask_name, as_colors=as_colors)
    except DataError as error:
        kind = f"unusable mask, {reason_of(str(error), example.mask_name)}"
        return _wrong(kind, f"masks that cannot be used, such as {error}", "replace these files")
    height, width = values_HW.shape
    if (width, height) != image.size:
        turned = (
            "; the image is turned by its EXIF data, and the mask is not"
            if (height, width) == image.size and image.size[0] != image.size[1]
            else ""
        )
        return _wrong(
            "size of mask",
            f"masks of another size than their images, such as {example.mask_name} of {width} x {height} pixels for "
            f"{example.name} of {image.width} x {image.height}{turned}",
            "export masks and images in the same size, as masks of another size may be cut or turned",
        )
    values, counts = np.unique(values_HW, return_counts=True)
    return {"values": dict(zip(values.tolist(), counts.tolist(), strict=True)), "is_colored": is_colored}


def _wrong(kind: str, message: str, remedy: str) -> Mapping[str, Any]:
    return {"cell_errors": (CellError(message, remedy, kind),)}


@dataclass(frozen=True)
class MaskValues:
    """What the masks of a split hold.

    Attributes:
        pixels: value -> number of pixels, by value.
        are_colors: whether values are packed colours.
    """

    pixels: Mapping[int, int]
    are_colors: bool

    @property
    def total(self) -> int:
        """Number of pixels."""
        return sum(self.pixels.values())

    def share(self, value: int) -> float:
        """Returns the share of the pixels that have a value."""
        return self.pixels.get(value, 0) / max(self.total, 1)

    def shown(self, limit: int = 12) -> str:
        """Returns values with their shares, the most frequent first: `255 (78.1%), 0 (21.9%)`."""
        ordered = sorted(self.pixels, key=lambda value: -self.pixels[value])
        names = [shown_value(value, self.are_colors).removeprefix("the value ") for value in ordered[:limit]]
        parts = [
            f"{name.removeprefix('the colour ')} ({self.share(value):.1%})"
            for name, value in zip(names, ordered, strict=False)
        ]
        more = len(ordered) - limit
        return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")


def mask_values(examples: Iterable[MaskedImageExample]) -> MaskValues:
    """Adds up what masks hold."""
    pixels: Counter[int] = Counter()
    are_colors = False
    for example in examples:
        pixels.update(example.values or {})
        are_colors |= example.is_colored
    return MaskValues(dict(sorted(pixels.items())), are_colors)


def check_values(
    split: Split[Any], classes: MaskClasses, problems: Problems, *, train: Split[Any] | None = None
) -> None:
    """Reports values that are no class's, by file.

    Args:
        train: what the classes may follow from; None where it is not known.
    """
    known = {*classes.values, classes.ignored}
    of_train = set() if train is None else set(mask_values(train.examples).pixels)
    for example in split.examples:
        if example.is_colored and not classes.are_colors:
            _report_colored(split, example, problems)
            continue
        for value in sorted(set(example.values or {}) - known):
            what = shown_value(value, classes.are_colors)
            alone = train is not None and value not in of_train
            problems.error(
                f"{split.name}: masks hold {what}, which "
                + (f"no mask of {train.title} holds" if alone and train is not None else "is no class"),
                where=f"{split.where(example)}, {example.mask_name}",
                remedy=_remedy(value, classes),
                kind=f"{split.name}: value {value}",
            )


def _report_colored(split: Split[Any], example: MaskedImageExample, problems: Problems) -> None:
    problems.error(
        f"{split.name}: masks in colours, where a pixel of the others is the number of its class",
        where=f"{split.where(example)}, {example.mask_name}",
        remedy="save them as the others, or name the colours in data.colors if all masks have some",
        kind=f"{split.name}: colours",
    )


def _remedy(value: int, classes: MaskClasses) -> str:
    if classes.are_colors:
        red, green, blue = (value >> 16) & 255, (value >> 8) & 255, value & 255
        color = f"[{red}, {green}, {blue}]"
        return f"name it in data.colors: {{NAME: {color}}}, or leave its pixels out: data.ignore_index: {color}"
    return f"name it in data.classes: {{{value}: NAME}}, or leave its pixels out: data.ignore_index: {value}"


def with_class_counts(split: Split[Any], classes: MaskClasses) -> Split[Any]:
    """Returns the split with how many pixels of each class every example has."""
    index = {value: place for place, value in enumerate(classes.values)}
    examples = [
        dataclasses.replace(
            example,
            class_counts={index[value]: count for value, count in (example.values or {}).items() if value in index},
        )
        for example in split.examples
    ]
    return dataclasses.replace(split, examples=examples)
