"""Masks that are drawn when they are asked for: of outlines and run lengths, as COCO's files hold them."""

from __future__ import annotations

import importlib.util
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


def wrong_outline(outline: Any) -> str | None:
    """Returns what is wrong with an outline; None where it can be drawn."""
    if isinstance(outline, Mapping):
        return None if {"counts", "size"} <= outline.keys() else "its run lengths lack counts or size"
    if not isinstance(outline, Sequence) or not outline:
        return "it has no segmentation"
    for polygon in outline:
        if not isinstance(polygon, Sequence) or len(polygon) < _LEAST_NUMBERS or len(polygon) % 2:
            return "a polygon has fewer than three corners, or a number too many"
    return None


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
