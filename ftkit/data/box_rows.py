"""Tables with a box in each row -> tables with an image in each row, in the order in which images are first named.

| image | x_min | y_min | x_max | y_max | label |
|---|---|---|---|---|---|
| 1.jpg | 10 | 20 | 30 | 40 | cat |
| 1.jpg | 50 | 20 | 70 | 40 | dog |
| 2.jpg | | | | | |

The last row is an image without anything in it. The names of the columns say whether numbers are two corners or a
corner and a size; whether they are pixels or shares of the image, their values: shares are at most 1. In a stream the
rows of an image stand together, and what numbers mean is found out from its first rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ftkit.data.box_cells import BOXES, OBJECT_KEYS
from ftkit.data.hashes import hash_of
from ftkit.data.readers.table import RowStream, Table
from ftkit.errors import DataError, name_list
from ftkit.types import Row

_CORNERS = (
    *(("x_min", "y_min", "x_max", "y_max"), ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2")),
    *(("left", "top", "right", "bottom"), ("XMin", "YMin", "XMax", "YMax")),
)
_SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
_IMAGES = ("image", "file", "filename", "file_name", "path", "image_path")
_LABELS = ("label", "class", "category", "name", "class_name")


def by_image(table: Table, columns: Mapping[str, str]) -> Table:
    """Returns the table with `image` and `objects`; one that has neither columns of sides nor lists stays as it is.

    Args:
        columns: role -> column.

    Raises:
        DataError: a row has sides that are no numbers, or no label.
    """
    sides = next((names for names in (*_CORNERS, *_SIZES) if set(names) <= set(table.columns)), None)
    if columns["objects"] in table.columns:
        return table
    if sides is None:
        return _of_lists(table, columns["objects"])
    image = _first(table, (columns["image"], *_IMAGES))
    label = _first(table, _LABELS)
    if table.is_shard:
        names = (columns["image"], columns["objects"])
        return replace(table, columns=names, rows=RowStream(lambda: _grouped(table, image, label, sides, names)))
    found: dict[Any, dict[str, list[Any]]] = {}
    lines: dict[Any, int] = {}
    for row in table.rows:
        name = row.values.get(image)
        lines.setdefault(name, row.line)
        objects = found.setdefault(name, {"bbox": [], "category": []})
        cells = [row.values.get(side) for side in sides]
        if all(cell in (None, "") for cell in cells):
            continue
        objects["bbox"].append(_numbers(table, row, sides, cells))
        objects["category"].append(row.values.get(label))
    shares = max((max(box) for one in found.values() for box in one["bbox"]), default=2.0) <= 1
    box_format = ("xyxy" if sides in _CORNERS else "xywh") + ("n" if shares else "")
    rows = [
        Row({columns["image"]: name, columns["objects"]: {**one, "format": box_format}}, lines[name])
        for name, one in found.items()
    ]
    return replace(table, columns=(columns["image"], columns["objects"]), rows=rows)


def _grouped(table: Table, image: str, label: str, sides: Sequence[str], names: tuple[str, str]) -> Iterator[Row]:
    """Yields a row for each image of a stream, whose boxes stand one below the other.

    Whether numbers are shares, and of what, is found out as of other tables: no row says it for all.

    Args:
        names: of the columns of images and of boxes that are yielded.

    Raises:
        DataError: boxes of one image stand apart: what was learnt of it first would be without the others.
    """
    known: set[int] = set()
    for name, group in itertools.groupby(table.rows, key=lambda row: row.values.get(image)):
        first, *_ = rows = list(group)
        if hash_of(name) in known:
            raise DataError(
                f"{table.source}, line {first.line}: boxes of {name!r} stand apart from others of this image. In a "
                f"stream rows of an image follow one another.\nFix: sort the file by {image!r}, or leave "
                "data.streaming out."
            )
        known.add(hash_of(name))
        boxes = [row.values for row in rows if any(row.values.get(side) not in (None, "") for side in sides)]
        objects = {
            "bbox": [[values.get(side) for side in sides] for values in boxes],
            "category": [values.get(label) for values in boxes],
        }
        yield Row({names[0]: name, names[1]: objects}, first.line)


def _of_lists(table: Table, objects: str) -> Table:
    """Returns a table whose cells of `objects` hold the lists of boxes and labels that are columns of their own.

    Example: of `{"image": "1.jpg", "bbox": [[10, 20, 30, 40]], "category": ["cat"]}` a cell `{"bbox": [[10, 20, 30,
    40]], "category": ["cat"]}`.
    """
    names = [name for name in OBJECT_KEYS if name in table.columns]
    if not any(name in BOXES for name in names):
        return table

    def rows() -> Iterator[Row]:
        for row in table.rows:
            yield Row({**row.values, objects: {name: row.values.get(name) for name in names}}, row.line)

    return replace(table, columns=(*table.columns, objects), rows=RowStream(rows))


def _first(table: Table, names: Iterable[str]) -> str:
    names = tuple(names)
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise DataError(
            f"{table.source}: rows are boxes, and none of its columns is called {name_list(dict.fromkeys(names))}; "
            f"the columns are {name_list(table.columns)}. Rename one."
        )
    return found


def _numbers(table: Table, row: Row, sides: Sequence[str], cells: Sequence[Any]) -> list[float]:
    try:
        numbers = [float(cell) for cell in cells]
    except (TypeError, ValueError):
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise DataError(
            f"{table.source}, line {row.line}: expected four numbers in {name_list(sides)}, got {name_list(cells)}. "
            "Correct them, or leave all four empty where the image holds nothing."
        )
    return numbers
