"""Masks that are drawn when they are asked for: of outlines and run lengths, as COCO's files hold them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

NOTHING = 0
"""The value of pixels that no region covers."""

_LEAST_NUMBERS = 6  # three corners


@dataclass(frozen=True)
class Region:
    """A part of an image.

    Attributes:
        value: of its pixels.
        outline: polygons, each a list x, y, x, y ...; or run lengths, `{"counts": ..., "size": [height, width]}`.
    """

    value: int
    outline: Any


@dataclass(frozen=True)
class OutlinedMask:
    """A mask of regions. Where they overlap, the smaller lies on the larger, and of equals the later.

    Attributes:
        regions: those that lie below all others first, such as crowds, and then by their order in the file.
        num_below: how many of them lie below all others.
    """

    width: int
    height: int
    regions: tuple[Region, ...]
    num_below: int = 0

    def values(self) -> np.ndarray:
        """Returns the value of each pixel, (H, W) int32.

        Example: in an image of 4 x 2 pixels, value 7 with the polygon (0, 0), (2, 0), (2, 2), (0, 2) is
        `[[7, 7, 0, 0], [7, 7, 0, 0]]`.
        """
        import numpy as np

        drawn = [(region.value, _drawn(region.outline, self.height, self.width)) for region in self.regions]
        below, others = drawn[: self.num_below], drawn[self.num_below :]
        values_HW = np.full((self.height, self.width), NOTHING, np.int32)
        for value, is_inside_HW in [*below, *sorted(others, key=lambda one: -int(one[1].sum()))]:
            values_HW[is_inside_HW] = value
        return values_HW


def wrong_outline(outline: Any, width: int, height: int) -> str | None:
    """Returns what is wrong with an outline in an image of so many pixels; None where it can be drawn."""
    if isinstance(outline, Mapping):
        return _wrong_runs(outline, width, height)
    if not isinstance(outline, Sequence) or not outline:
        return "it has no segmentation"
    for polygon in outline:
        if not isinstance(polygon, Sequence) or len(polygon) < _LEAST_NUMBERS or len(polygon) % 2:
            return "a polygon has fewer than three corners, or a number too many"
        if others := [one for one in polygon if not _is_number(one)]:
            return f"a polygon holds {others[0]!r}, which is no number"
    return None


def sticks_out(outline: Any, width: int, height: int) -> bool:
    """Tells whether a polygon reaches out of its image by more than a pixel, as those of another image do."""
    polygons = () if isinstance(outline, Mapping) else outline
    return any(
        min(polygon) < -1 or max(polygon[::2]) > width + 1 or max(polygon[1::2]) > height + 1 for polygon in polygons
    )


def _is_number(one: Any) -> bool:
    return isinstance(one, (int, float)) and math.isfinite(one)


def _wrong_runs(outline: Mapping[str, Any], width: int, height: int) -> str | None:
    """Returns what is wrong with run lengths: pycocotools would read on behind those that end too early."""
    if not {"counts", "size"} <= outline.keys():
        return "its run lengths lack counts or size"
    counts, size = outline["counts"], outline["size"]
    if size != [height, width]:
        return f"its run lengths have the size {size}, and its image {[height, width]} (height, width)"
    try:
        lengths = counts if isinstance(counts, list) else _unpacked(counts.encode())
        is_whole = all(type(length) is int and length >= 0 for length in lengths) and sum(lengths) == width * height
    except (AttributeError, IndexError, UnicodeError):
        is_whole = False
    return None if is_whole else f"its run lengths do not add up to the {width * height:,} pixels of its image"


def _unpacked(counts: bytes) -> list[int]:
    """Returns the lengths that COCO packs into a text: groups of 5 bits, each from the third on less the last but one.

    Source: rleFrString of pycocotools' maskApi.c.
    """
    lengths: list[int] = []
    place = 0
    while place < len(counts):
        length = shift = 0
        group = 0x20
        while group & 0x20:
            group = counts[place] - 48
            length |= (group & 0x1F) << shift
            shift, place = shift + 5, place + 1
        if group & 0x10:
            length |= -1 << shift
        lengths.append(length + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths


def check_can_draw() -> None:
    """Makes sure that outlines can be drawn.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    if importlib.util.find_spec("pycocotools") is None:
        raise ConfigError(
            "Outlines and run lengths of COCO are drawn by pycocotools, which is not installed.\n"
            'Fix: pip install "ftkit[detection]"'
        )


def _drawn(outline: Any, height: int, width: int) -> np.ndarray:
    """Returns which pixels a region covers, (H, W), by COCO's own code."""
    from pycocotools import mask

    runs = outline
    if not isinstance(outline, Mapping):
        runs = mask.merge(mask.frPyObjects([list(map(float, polygon)) for polygon in outline], height, width))
    elif isinstance(outline["counts"], list):
        runs = mask.frPyObjects(outline, height, width)
    return mask.decode(runs).astype(bool)
