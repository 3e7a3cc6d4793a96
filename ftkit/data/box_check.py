"""Opens every image and finds out how its boxes are meant, so that what is learnt from is where it should be.

Four numbers may be two corners, or a corner and a size; in pixels, or in shares of the image. A wrong reading trains
without an error, on boxes beside the things. So a format that no file states is *proven*: it is the only one under
which all boxes lie inside their images. Where several do, or none, the user is asked.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ftkit.data.boxes import PIXEL_FORMATS, SHARE_FORMATS, Box, BoxFormat, DetectionExample, corners, turned
from ftkit.data.image_check import Looked, look_at_images, with_digest
from ftkit.data.images import orientation_of
from ftkit.data.problems import Problems
from ftkit.errors import name_list
from ftkit.types import Split

OnBadBox = Literal["error", "skip"]
Splits = Mapping[str, Split[DetectionExample]]

MARGIN = 1.0
"""Pixels by which a box may stick out: tools round, and count from 0 or 1. It is cut to the image."""


PIXEL = 0.9
"""Pixels of a side of the smallest box. It is one, but for the digits to which shares are rounded."""


@dataclass(frozen=True)
class _Placed:
    """Where an example is."""

    split: Split[DetectionExample]
    example: DetectionExample

    @property
    def where(self) -> str:
        return self.split.where(self.example)


def look_at_boxes(
    splits: Splits, problems: Problems, *, box_format: BoxFormat | None, on_bad_box: OnBadBox
) -> tuple[dict[str, Split[DetectionExample]], BoxFormat | None]:
    """Decodes every image once, and brings boxes into pixels of the upright images.

    Args:
        problems: what is wrong with images and boxes is added, by file.
        box_format: what the user says of all boxes; None: what the files say, or what can be proven.
        on_bad_box: whether a box that lies outside of its image, or has no area, is an error, or left out.

    Returns:
        The splits, and the format of the boxes whose files do not say it; None where it cannot be told.
    """
    looked = look_at_images(splits, problems, _looked_at)
    placed = [
        _Placed(split, example)
        for split in looked.values()
        for example in split.examples
        if example.boxes and example.width  # 0: the image cannot be opened, which is told
    ]
    found = _found_format(placed, box_format, problems)
    # Of rows that nobody sees all of, each is what it says it is.
    voc: BoxFormat = "voc" if any(split.is_sample for split in splits.values()) else _voc_means(placed)
    made = {}
    for one in placed:
        stated = voc if one.example.box_format == "voc" else one.example.box_format
        one_format = box_format or stated or found
        if one_format is not None:
            made[id(one.example)] = _normalized(one, one_format, on_bad_box, problems)
    normalized = {
        name: dataclasses.replace(split, examples=[made.get(id(example), example) for example in split.examples])
        for name, split in looked.items()
    }
    return normalized, found


def _looked_at(example: DetectionExample, looked: Looked) -> DetectionExample:
    orientation = 1 if looked.problem else orientation_of(example.image)
    return dataclasses.replace(
        with_digest(example, looked), width=looked.width, height=looked.height, orientation=orientation
    )


# --- which format -------------------------------------------------------------------------------------------


def _found_format(placed: Sequence[_Placed], asked: BoxFormat | None, problems: Problems) -> BoxFormat | None:
    """Returns the format of boxes whose files do not say it; None where there are none such, or it cannot be told."""
    unstated = [one for one in placed if one.example.box_format is None]
    if asked is not None or not unstated:
        return asked
    largest = max(max(box.numbers) for one in unstated for box in one.example.boxes or ())
    candidates = SHARE_FORMATS if largest <= 1 else PIXEL_FORMATS
    num_bad = {name: _num_bad(unstated, name) for name in candidates}
    proven = [name for name, count in num_bad.items() if count == 0]
    if len(proven) == 1:
        return proven[0]
    total = sum(len(one.example.boxes or ()) for one in unstated)
    first = unstated[0]
    numbers = ", ".join(f"{number:g}" for number in (first.example.boxes or ())[0].numbers)
    such = f"{total:,} boxes, such as ({numbers}) in {first.where}, an image of {first.example.width} x "
    such += f"{first.example.height} pixels"
    if proven:
        problems.error(
            f"how the boxes are written cannot be told: {such}, lie inside their images read as "
            f"{' and as '.join(proven)}",
            remedy=f"say which, such as data.box_format: {proven[0]}",
        )
        return None
    best = min(num_bad, key=lambda name: num_bad[name])
    counts = ", ".join(f"{count:,} of them read as {name}" for name, count in num_bad.items())
    shares = [] if largest <= 1 else _in_shares(unstated)
    problems.error(
        f"how the boxes are written cannot be told: of {such}, some lie outside of their images, or are smaller than "
        f"a pixel, in every reading: {counts}",
        remedy=f"the boxes of {name_list(shares)} are shares of the image, and others are not; write all alike"
        if shares
        else f"say which it is, such as data.box_format: {best}; boxes outside are then named by file",
    )
    return None


def _in_shares(unstated: Iterable[_Placed]) -> list[str]:
    """Returns the splits all of whose numbers are at most 1."""
    largest: dict[str, float] = {}
    for one in unstated:
        numbers = max(max(box.numbers) for box in one.example.boxes or ())
        largest[one.split.name] = max(numbers, largest.get(one.split.name, numbers))
    return [name for name, number in largest.items() if number <= 1]


def _voc_means(placed: Iterable[_Placed]) -> BoxFormat:
    """Returns `voc`, or `xyxy` where annotations have the form of Pascal VOC and count pixels from 0."""
    firsts = (
        min(box.numbers[:2]) for one in placed if one.example.box_format == "voc" for box in one.example.boxes or ()
    )
    firsts = (first for first in firsts if first >= 0)  # below 0 there is no pixel: such a box is wrong
    return "xyxy" if min(firsts, default=1.0) < 1 else "voc"


def _num_bad(placed: Iterable[_Placed], box_format: BoxFormat) -> int:
    return sum(int((~_fits(_corners(one, box_format), one.example)).sum()) for one in placed)


def _corners(one: _Placed, box_format: BoxFormat) -> np.ndarray:
    """Returns boxes in pixels of the upright image, (K, 4), as if they were written for it."""
    return _read(one, box_format, (one.example.width, one.example.height))


def _read(one: _Placed, box_format: BoxFormat, sides: tuple[int, int]) -> np.ndarray:
    numbers = np.array([box.numbers for box in one.example.boxes or ()], np.float64)
    return corners(numbers, np.tile(np.array(sides, np.float64), (len(numbers), 1)), box_format)


def _fits(corners_K4: np.ndarray, example: DetectionExample) -> np.ndarray:
    """Tells which boxes have the area of a pixel and lie in the image, but for a margin, (K,)."""
    left, top, right, bottom = corners_K4.T
    inside = (left >= -MARGIN) & (top >= -MARGIN)
    inside &= (right <= example.width + MARGIN) & (bottom <= example.height + MARGIN)
    return inside & (right > left) & (bottom > top) & ~_are_dots(corners_K4)


def _are_dots(corners_K4: np.ndarray) -> np.ndarray:
    """Tells which boxes are smaller than a pixel both ways, as shares are that are read as pixels, (K,)."""
    return (corners_K4[:, 2:] - corners_K4[:, :2] < PIXEL).all(axis=1)


# --- boxes of one image -------------------------------------------------------------------------------------


def _normalized(one: _Placed, box_format: BoxFormat, on_bad_box: OnBadBox, problems: Problems) -> DetectionExample:
    example = one.example
    _check_stated_size(one, problems)
    placed_K4 = _turned(one, box_format, problems)
    cut_K4 = np.clip(placed_K4, 0, np.tile([example.width, example.height], 2))
    kept = []
    for box, whole_4, cut_4 in zip(example.boxes or (), placed_K4, cut_K4, strict=True):
        what = _wrong(whole_4, cut_4)
        if what and on_bad_box == "error":
            _report(one, box, what, box_format, problems)
        if what and not what.startswith("sticks"):
            continue
        left, top, right, bottom = cut_4.tolist()
        kept.append(dataclasses.replace(box, numbers=(left, top, right, bottom)))
    return dataclasses.replace(example, boxes=tuple(kept), box_format="xyxy")


def _turned(one: _Placed, box_format: BoxFormat, problems: Problems) -> np.ndarray:
    """Returns boxes in pixels of the upright image, (K, 4); those that were drawn before EXIF turned it are turned."""
    upright_K4 = _corners(one, box_format)
    if one.example.orientation == 1:
        return upright_K4
    sides = one.example.sides_in_file
    before_K4 = turned(_read(one, box_format, sides), *sides, one.example.orientation)
    is_before, is_known = _drawn_before(one, upright_K4, before_K4)
    told = "were drawn before that, and are turned with it" if is_before else "were drawn after that"
    problems.warn(
        f"{one.split.name}: images that EXIF turns, such as {one.example.name}; its boxes {told}"
        + ("" if is_known else ", as far as can be told"),
        where=one.where,
        remedy="see where the boxes lie: ftkit check CONFIG --show 8",
        kind=f"{one.split.name}: turned by EXIF, {told}, {is_known}",
    )
    return before_K4 if is_before else upright_K4


def _drawn_before(one: _Placed, upright_K4: np.ndarray, before_K4: np.ndarray) -> tuple[bool, bool]:
    """Tells whether boxes belong to the image before EXIF turned it, and whether that is known."""
    upright, before = (one.example.width, one.example.height), one.example.sides_in_file
    if upright != before and one.example.stated_size in (upright, before):
        return one.example.stated_size == before, True
    fits = [bool(_fits(found_K4, one.example).all()) for found_K4 in (upright_K4, before_K4)]
    return fits == [False, True], fits[0] != fits[1]


def _check_stated_size(one: _Placed, problems: Problems) -> None:
    stated, example = one.example.stated_size, one.example
    if stated is None or stated in ((example.width, example.height), example.sides_in_file):
        return
    problems.error(
        f"{one.split.name}: images of another size than their boxes were drawn for, such as {example.name}: "
        f"{example.width} x {example.height} pixels, and its annotation says {stated[0]} x {stated[1]}",
        where=one.where,
        remedy="take the images as they were annotated, or write the boxes for these",
        kind=f"{one.split.name}: another size",
    )


def _wrong(whole_4: np.ndarray, cut_4: np.ndarray) -> str:
    """Returns what is wrong with a box, in words that follow on it; nothing where it is all right."""
    if whole_4[2] <= whole_4[0] or whole_4[3] <= whole_4[1]:
        return "has no area"
    if _are_dots(whole_4[None])[0]:
        return "is smaller than a pixel"
    if cut_4[2] <= cut_4[0] or cut_4[3] <= cut_4[1]:
        return "lies outside of its image"
    return "sticks out of its image" if np.abs(whole_4 - cut_4).max() > MARGIN else ""


def _report(one: _Placed, box: Box, what: str, box_format: BoxFormat, problems: Problems) -> None:
    numbers = ", ".join(f"{number:g}" for number in box.numbers)
    problems.error(
        f"{one.split.name}: a box that {what}: {box.label!r} at ({numbers}), read as {box_format}, in "
        f"{one.example.name} of {one.example.width} x {one.example.height} pixels",
        where=one.where,
        remedy="correct these boxes; say data.box_format where they are meant otherwise; or say data.on_bad_box: "
        "skip, which leaves such boxes out and cuts off what sticks out",
        kind=f"{one.split.name}: a box that {what}",
    )
