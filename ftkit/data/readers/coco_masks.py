"""Reads COCO's outlines as masks: the JSON file of `coco`, with `segmentation` in its annotations.

A row has `image`, a path, `mask`, and `id`. A pixel has the number of its category, and 0 where there is none; where a
category is number 0, all are one higher. Crowds are left out, where no single thing lies in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ftkit.console import warn
from ftkit.data.outlined_masks import NOTHING, OutlinedMask, Region, sticks_out, wrong_outline
from ftkit.data.readers.coco import folder_of, parts_of
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.data.readers.text import read_text
from ftkit.errors import DataError
from ftkit.types import Row

_KEYS = ("image_id", "category_id", "segmentation")


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file.

    Raises:
        DataError: it is no such JSON, names images that are nowhere or have no size, or an outline is none.
    """
    images, annotations, names = parts_of(path, read_text(path, options), _KEYS)
    values, left_out = _values(path, names), left_out_value(names)
    regions: dict[Any, list[tuple[bool, Region]]] = {image["id"]: [] for image in images}
    for place, image in enumerate(images):
        if not image.get("width") or not image.get("height"):
            raise DataError(f"{path}, images[{place}]: there is no width or height, in which outlines are drawn.")
    sizes = {image["id"]: (int(image["width"]), int(image["height"])) for image in images}
    outside = []
    for place, one in enumerate(annotations):
        if wrong := wrong_outline(one["segmentation"], *sizes[one["image_id"]]):
            raise DataError(f"{path}, annotations[{place}]: {wrong}. Draw it anew, or remove the annotation.")
        if sticks_out(one["segmentation"], *sizes[one["image_id"]]):
            outside.append(f"annotations[{place}]")
        is_crowd = bool(one.get("iscrowd", 0))
        value = left_out if is_crowd else values[one["category_id"]]
        regions[one["image_id"]].append((is_crowd, Region(value, one["segmentation"])))
    if outside:
        warn(f"{path}: {len(outside):,} outlines reach out of their images and are cut, such as {outside[0]}")

    def rows() -> Iterator[Row]:
        for image in images:
            found = regions[image["id"]]
            ordered = [region for is_crowd in (True, False) for crowd, region in found if crowd == is_crowd]
            num_below = sum(is_crowd for is_crowd, _ in found)
            mask = OutlinedMask(int(image["width"]), int(image["height"]), tuple(ordered), num_below)
            yield Row({"image": image["file_name"], "mask": mask, "id": image["id"]}, 0)

    return Table(str(path), ("image", "mask", "id"), RowStream(rows), folder=folder_of(path, images[0]["file_name"]))


def classes_of(path: Path, options: ReadOptions) -> tuple[dict[int, str], int]:
    """Returns value -> name of each class, and the value of what is left out.

    Raises:
        DataError: as of `read`.
    """
    _, _, names = parts_of(path, read_text(path, options), _KEYS)
    values = _values(path, names)
    nothing = "background" if "background" not in names.values() else "nothing"
    return {NOTHING: nothing, **{values[number]: name for number, name in names.items()}}, left_out_value(names)


def left_out_value(numbers: Iterable[int]) -> int:
    """Returns the value of crowds: 255, unless categories are numbered so far."""
    return 255 if max(numbers, default=0) < 254 else 65535


def _values(path: Path, names: dict[Any, str]) -> dict[Any, int]:
    other = next((number for number in names if type(number) is not int or number < 0), None)
    if other is not None:
        raise DataError(
            f"{path}, categories: the id {other!r} of {names[other]!r} is no whole number, as pixels hold. "
            "Number the categories, there and in the annotations."
        )
    step = 1 if NOTHING in names else 0
    return {number: int(number) + step for number in sorted(names)}
