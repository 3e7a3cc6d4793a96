"""The cell `objects` of a row -> boxes, in the forms in which datasets on the Hub and ftkit's readers have it.

    {"bbox": [[10, 20, 30, 40]], "category": ["cat"]}          what `datasets` makes of a sequence of features
    [{"bbox": [10, 20, 30, 40], "category": "cat"}]            a list of objects

Beside them may stand `iscrowd`, `difficult`, `area` and `category_id`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ftkit.data.boxes import FORMATS, Box, BoxFormat, Numbers
from ftkit.data.cells import WrongCell, describe, plain

BOXES = ("bbox", "bboxes", "boxes", "box")
_LABELS = ("category", "categories", "label", "labels", "name", "names", "class", "category_id")
_IGNORED = ("ignored", "iscrowd", "is_crowd", "crowd", "difficult")
_FLAGS = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True}
OBJECT_KEYS = (*BOXES, *_LABELS, *_IGNORED, "area")
"""What a cell may hold."""
_FORM = 'write {"bbox": [[10, 20, 30, 40], ...], "category": ["cat", ...]}, one entry for each box'


def boxes_of(cell: Any) -> tuple[Box, ...]:
    """Returns the boxes of a cell as they are written; none of an empty one.

    Raises:
        WrongCell: it holds no boxes.
    """
    cell = _parsed(plain(cell))
    if cell is None:
        return ()
    if isinstance(cell, (list, tuple)):
        cell = _in_columns(cell)
    if not isinstance(cell, Mapping):
        raise WrongCell(describe(cell), _FORM, cell=cell)
    numbers = _column(cell, BOXES)
    if numbers is None:
        raise WrongCell("holds no boxes", _FORM, why=f"its keys are {', '.join(map(str, cell))}")
    labels = _column(cell, _LABELS)
    if labels is None:
        raise WrongCell("holds boxes without labels", _FORM, why=f"its keys are {', '.join(map(str, cell))}")
    ignored = _flags(cell, len(numbers))
    areas, ids = (_column(cell, (name,)) or [None] * len(numbers) for name in ("area", "category_id"))
    if not len(numbers) == len(labels) == len(ignored) == len(areas) == len(ids):
        raise WrongCell("holds lists of different lengths", _FORM, why=f"{len(numbers)} boxes, {len(labels)} labels")
    return tuple(map(_box, numbers, labels, ignored, areas, ids))


def format_of(cell: Any) -> BoxFormat | None:
    """Returns the format of the boxes where a layout says it."""
    found = cell.get("format") if isinstance(cell, Mapping) else None
    return found if found in FORMATS else None


def stated_size_of(cell: Any) -> tuple[int, int] | None:
    """Returns the width and height that a layout says an image has."""
    found = cell.get("size") if isinstance(cell, Mapping) else None
    return None if found is None else (int(found[0]), int(found[1]))


def _parsed(cell: Any) -> Any:
    """Returns what was printed into a cell of csv as JSON."""
    if not isinstance(cell, str):
        return cell
    if not cell.strip():
        return None
    try:
        return json.loads(cell)
    except ValueError:
        raise WrongCell("holds a text", _FORM, cell=cell) from None


def _in_columns(items: Sequence[Any]) -> dict[str, list[Any]]:
    items = [plain(item) for item in items]
    if not all(isinstance(item, Mapping) for item in items):
        raise WrongCell("holds a list of other things than objects", _FORM, cell=items)
    keys = dict.fromkeys(key for item in items for key in item)
    return {key: [item.get(key) for item in items] for key in keys} if items else {"bbox": [], "category": []}


def _column(cell: Mapping[str, Any], names: Sequence[str]) -> list[Any] | None:
    found = next((plain(cell[name]) for name in names if cell.get(name) is not None), None)
    if found is None:
        return None
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _flags(cell: Mapping[str, Any], count: int) -> list[bool]:
    columns = [column for name in _IGNORED if (column := _column(cell, (name,))) is not None]
    return [any(_flag(column[place]) for column in columns if place < len(column)) for place in range(count)]


def _flag(cell: Any) -> bool:
    if cell is None or cell == "":
        return False
    if str(cell).lower() not in _FLAGS:
        raise WrongCell("holds a mark, such as iscrowd, that is neither 0 nor 1", "correct it", cell=cell)
    return _FLAGS[str(cell).lower()]


def _area(cell: Any) -> float | None:
    try:
        return None if cell is None else float(cell)
    except (TypeError, ValueError):
        raise WrongCell("holds an area that is no number", "correct it, or leave all areas out", cell=cell) from None


def _box(numbers: Any, label: Any, ignored: bool, area: Any, category: Any) -> Box:
    label = plain(label)
    if label is None or isinstance(label, (list, tuple, Mapping, bool)) or not str(label).strip():
        raise WrongCell("holds a box without a label", "name what is in it, or leave the box out", cell=numbers)
    own = plain(category)
    return Box(
        label=str(label).strip(),
        numbers=_numbers(plain(numbers)),
        ignored=ignored,
        area=_area(area),
        category=own if own is not None and str(own) != str(label) else label if not isinstance(label, str) else None,
    )


def _numbers(numbers: Any) -> Numbers:
    try:
        four = tuple(float(number) for number in numbers)
    except (TypeError, ValueError):
        four = ()
    if len(four) != 4 or not all(map(math.isfinite, four)):
        raise WrongCell("holds a box that is not four numbers", "correct it, or leave the box out", cell=numbers)
    return four
