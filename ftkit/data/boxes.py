"""Boxes: how files write them, and images with boxes as examples.

| name | the four numbers of a box | who writes so |
|---|---|---|
| `voc` | left, top, right, bottom; the first pixel is 1, the last one belongs to the box | Pascal VOC |
| `xyxy` | left, top, right, bottom, in pixels from 0 | LabelImg, many csv files |
| `xywh` | left, top, width, height | COCO |
| `cxcywh` | middle, width, height | |
| `xyxyn`, `xywhn`, `cxcywhn` | the same as shares of the image's width and height | YOLO: `cxcywhn` |
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ftkit.data.images import ImageSource, open_image, pixel_digest
from ftkit.types import CellError

BoxFormat = Literal["voc", "xyxy", "xywh", "cxcywh", "xyxyn", "xywhn", "cxcywhn"]
"""How four numbers say a box."""

FORMATS: tuple[BoxFormat, ...] = get_args(BoxFormat)
PIXEL_FORMATS: tuple[BoxFormat, ...] = ("xyxy", "xywh", "cxcywh")
SHARE_FORMATS: tuple[BoxFormat, ...] = ("xyxyn", "xywhn", "cxcywhn")
"""Formats that a file without a word about it may have; `voc` is `xyxy` but for a pixel."""

Numbers = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be found in an image.

    Attributes:
        label: of what is in the box.
        numbers: where it is: as the file says it; once examples are normalized, left, top, right and bottom in pixels
            of the upright image.
        ignored: a crowd (COCO) or too difficult (Pascal VOC): nothing is learnt from it, and a prediction of it is
            neither right nor wrong.
        area: in pixels, where the file says it, as that of COCO's outlines; None: that of the box.
        category: the number or name of its label in the user's own file, where that is another.
    """

    label: str
    numbers: Numbers
    ignored: bool = False
    area: float | None = None
    category: int | str | None = None


@dataclass(frozen=True, slots=True)
class DetectionExample:
    """An image and the boxes of what is in it.

    Attributes:
        id: the row's `id` column, else the image's name.
        image: where the pixels are.
        name: the image's name for people.
        boxes: none of an image without anything in it; None when the row is only to be predicted.
        box_format: of the boxes, where the file's layout says it; None: it has to be found out.
        stated_size: width and height in pixels as the file says them, which may be those before EXIF turns it.
        width: of the upright image in pixels; 0: it has not been opened yet.
        height: likewise.
        orientation: how EXIF turns the image, 1 to 8; 1: not at all.
        line: where the row begins in its file, for messages; 0 where an image is a file of a folder.
        digest: of the decoded pixels, where they have been looked at already.
        group: what the row shares with others that must stay on one side of a split, such as a camera.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    image: ImageSource
    name: str
    boxes: tuple[Box, ...] | None = None
    box_format: BoxFormat | None = None
    stated_size: tuple[int, int] | None = None
    width: int = 0
    height: int = 0
    orientation: int = 1
    line: int = 0
    digest: str = ""
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """What is held in memory before the image is decoded, in characters or bytes."""
        return len(self.image) if isinstance(self.image, (str, bytes)) else len(self.name)

    @property
    def sides_in_file(self) -> tuple[int, int]:
        """Width and height of the image before EXIF turns it."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def learnt(self) -> tuple[Box, ...]:
        """The boxes that something is learnt from."""
        return tuple(box for box in self.boxes or () if not box.ignored)

    def key(self) -> Hashable:
        """Returns the digest of the pixels: equal for one picture under two names, or in two lossless formats."""
        return self.digest or pixel_digest(open_image(self.image, self.name))

    def summary(self) -> str:
        """Returns the image's name."""
        return self.name


def label_names_of(example: DetectionExample) -> tuple[str, ...]:
    """Returns the labels of an example's boxes, each once."""
    return tuple(dict.fromkeys(box.label for box in example.boxes or ()))


def corners(numbers_N4: np.ndarray, sizes_N2: np.ndarray, box_format: BoxFormat) -> np.ndarray:
    """Returns boxes as left, top, right and bottom in pixels, (N, 4).

    Example: in an image of 200 x 100 pixels `cxcywhn` 0.5, 0.5, 0.1, 0.2 is 90, 40, 110, 60, and so is `voc`
    91, 41, 110, 60.

    Args:
        numbers_N4: as a file has them.
        sizes_N2: width and height of the image of each.
    """
    found = numbers_N4.astype(np.float64)
    if box_format.endswith("n"):
        found = found * np.tile(sizes_N2, 2)
    if box_format == "voc":
        return found - np.array([1.0, 1.0, 0.0, 0.0])
    if box_format.startswith("xyxy"):
        return found
    start, extent = found[:, :2], found[:, 2:]
    if box_format.startswith("cxcywh"):
        start = start - extent / 2
    return np.concatenate([start, start + extent], axis=1)


def turned(corners_N4: np.ndarray, width: int, height: int, orientation: int) -> np.ndarray:
    """Returns boxes of an image as its file holds it in the upright image that EXIF makes of it.

    Args:
        corners_N4: left, top, right, bottom.
        width: of the image as its file holds it, in pixels.
        height: likewise.
        orientation: 1 to 8, as EXIF says it: 6 is a quarter turn to the right.
    """
    points = corners_N4.reshape(-1, 2, 2)
    x, y = points[..., 0], points[..., 1]
    across = {1: x, 2: width - x, 3: width - x, 4: x, 5: y, 6: height - y, 7: height - y, 8: y}[orientation]
    down = {1: y, 2: y, 3: height - y, 4: height - y, 5: x, 6: x, 7: width - x, 8: width - x}[orientation]
    both = np.stack([across, down], axis=-1)
    return np.concatenate([both.min(axis=1), both.max(axis=1)], axis=1)
