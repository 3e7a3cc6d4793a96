"""Boxes: formats, EXIF, cells, and the proof of how numbers are meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import tiny_boxes
from ftkit.data.box_cells import boxes_of
from ftkit.data.box_check import look_at_boxes
from ftkit.data.boxes import FORMATS, Box, BoxFormat, DetectionExample, corners, turned
from ftkit.data.cells import WrongCell
from ftkit.data.problems import Problems
from ftkit.data.readers import Table
from ftkit.kinds.object_detection import KIND, ObjectDetectionData
from ftkit.types import Row, Split

SAME: dict[BoxFormat, list[float]] = {
    "voc": [91, 41, 110, 60],
    "xyxy": [90, 40, 110, 60],
    "xywh": [90, 40, 20, 20],
    "cxcywh": [100, 50, 20, 20],
    "xyxyn": [0.45, 0.4, 0.55, 0.6],
    "xywhn": [0.45, 0.4, 0.1, 0.2],
    "cxcywhn": [0.5, 0.5, 0.1, 0.2],
}


def test_every_format_says_the_same_box():
    assert SAME.keys() == set(FORMATS)
    for box_format, numbers in SAME.items():
        found = corners(np.array([numbers]), np.array([[200, 100]]), box_format)
        np.testing.assert_allclose(found, [[90, 40, 110, 60]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_pillow_turns_the_image(orientation):
    image = Image.new("L", (50, 30))
    image.paste(255, (5, 10, 12, 27))
    exif = Image.Exif()
    exif[274] = orientation
    image.info["exif"] = exif.tobytes()
    image.getexif()[274] = orientation
    upright = ImageOps.exif_transpose(image)
    assert turned(np.array([[5.0, 10, 12, 27]]), 50, 30, orientation).tolist() == [list(map(float, upright.getbbox()))]


# --- cells --------------------------------------------------------------------------------------------------


def test_cells_of_the_hub_and_of_json():
    expected = (Box("cat", (1, 2, 3, 4)), Box("dog", (5, 6, 7, 8), ignored=True, area=3.0))
    columns = {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]], "category": ["cat", "dog"], "iscrowd": [0, 1], "area": [None, 3]}
    assert boxes_of(columns) == expected
    items = [{"bbox": [1, 2, 3, 4], "label": "cat"}, {"bbox": [5, 6, 7, 8], "label": "dog", "difficult": 1, "area": 3}]
    assert boxes_of(items) == expected
    assert boxes_of('[{"bbox": [1, 2, 3, 4], "category": 7}]') == (Box("7", (1, 2, 3, 4), category=7),)
    assert boxes_of(None) == boxes_of([]) == boxes_of({"bbox": [], "category": []}) == ()


@pytest.mark.parametrize(("cell", "message"), [
    (7, "holds a number: 7"),
    ({"category": ["cat"]}, "holds no boxes: its keys are category"),
    ({"bbox": [[1, 2, 3, 4]]}, "holds boxes without labels: its keys are bbox"),
    ({"bbox": [[1, 2, 3, 4]], "category": []}, "holds lists of different lengths: 1 boxes, 0 labels"),
    ({"bbox": [[1, 2, 3]], "category": ["cat"]}, r"holds a box that is not four numbers: \[1, 2, 3\]"),
    ({"bbox": [[1, 2, 3, "x"]], "category": ["cat"]}, "holds a box that is not four numbers"),
    ({"bbox": [[1, 2, 3, float("nan")]], "category": ["cat"]}, "holds a box that is not four numbers"),
    ({"bbox": [[1, 2, 3, 4]], "category": [" "]}, "holds a box without a label"),
    ({"bbox": [[1, 2, 3, 4]], "category": ["cat"], "area": ["big"]}, "holds an area that is no number: 'big'"),
    ({"bbox": [[1, 2, 3, 4]], "category": ["cat"], "iscrowd": ["no"]}, "neither 0 nor 1: 'no'"),
])  # fmt: skip
def test_cells_that_hold_no_boxes(cell, message):
    with pytest.raises(WrongCell, match=message):
        boxes_of(cell)


# --- the proof ----------------------------------------------------------------------------------------------


def image(folder: Path, number: int, *boxes: Any, orientation: int = 1, **fields: Any) -> DetectionExample:
    """A picture of 60 x 40 pixels."""
    path = folder / f"{number}.jpg"
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (60, 40), (number, 0, 0)).save(path, exif=exif)
    return DetectionExample(
        id=path.name, image=str(path), name=path.name, boxes=tuple(Box("cat", box) for box in boxes), **fields
    )


def looked(*examples: DetectionExample, **options: Any) -> tuple[list[DetectionExample], str | None, Problems]:
    problems = Problems()
    options = {"box_format": None, "on_bad_box": "error", **options}
    splits, found = look_at_boxes({"train": Split("train", "photos", list(examples))}, problems, **options)
    return list(splits["train"].examples), found, problems


def places(example: DetectionExample) -> list[tuple[float, ...]]:
    return [box.numbers for box in example.boxes or ()]


@pytest.mark.parametrize(("one", "other", "found"), [
    ((40, 5, 50, 30), (5, 5, 9, 39), "xyxy"),
    ((40, 5, 10, 30), (50, 30, 10, 10), "xywh"),
    ((30, 20, 60, 40), (30, 20, 2, 2), "cxcywh"),
    ((0.8, 0.1, 0.9, 0.9), (0.5, 0.5, 0.9, 0.9), "xyxyn"),
    ((0.5, 0.5, 1.0, 1.0), (0.9, 0.9, 0.1, 0.1), "cxcywhn"),
])  # fmt: skip
def test_a_format_that_no_file_states_is_proven(tmp_path, one, other, found):
    examples, format_, problems = looked(image(tmp_path, 1, one), image(tmp_path, 2, other))
    assert (format_, problems.errors) == (found, [])
    size = np.array([[60, 40]])
    expected = [tuple(corners(np.array([box], float), size, found)[0]) for box in (one, other)]
    np.testing.assert_allclose([places(example)[0] for example in examples], expected)


def test_a_format_that_cannot_be_told(tmp_path):
    (error,) = looked(image(tmp_path, 1, (20, 20, 25, 25)))[2].errors
    assert re.search(r"read as xyxy and as cxcywh\nfix: .* data.box_format: xyxy", error)
    (error,) = looked(image(tmp_path, 1, (100, 100, 200, 200)))[2].errors
    assert "1 of them read as xyxy, 1 of them read as xywh" in error
    (error,) = looked(image(tmp_path, 1, (0.1, 0.1, 0.9, 0.9)), image(tmp_path, 2, (40, 5, 50, 30)))[2].errors
    assert "some lie outside of their images, or are smaller than a pixel, in every reading: 1 of them" in error
    examples, *_ = looked(image(tmp_path, 1, (20, 20, 25, 15)), box_format="xywh")
    assert places(examples[0]) == [(20, 20, 45, 35)]


def test_splits_of_which_one_has_shares_are_told_apart(tmp_path):
    problems = Problems()
    boxes = {"train": (0.5, 0.5, 0.9, 0.9), "test": (40, 5, 50, 30)}
    splits = {
        name: Split(name, "photos", [image(tmp_path, number, box)]) for number, (name, box) in enumerate(boxes.items())
    }
    assert look_at_boxes(splits, problems, box_format=None, on_bad_box="error")[1] is None
    assert "the boxes of 'train' are shares of the image, and others are not; write all alike" in problems.errors[0]


def test_pascal_voc_counts_from_one_unless_a_box_begins_at_zero(tmp_path):
    one, other = (
        image(tmp_path, 1, (1, 1, 60, 40), box_format="voc"),
        image(tmp_path, 2, (5, 5, 9, 9), box_format="voc"),
    )
    assert [places(example) for example in looked(one, other)[0]] == [[(0, 0, 60, 40)], [(4, 4, 9, 9)]]
    zero = image(tmp_path, 1, (0, 3, 60, 40), box_format="voc")
    assert [places(example) for example in looked(zero, other)[0]] == [[(0, 3, 60, 40)], [(5, 5, 9, 9)]]


@pytest.mark.parametrize(("box", "what"), [
    ((10, 10, 10, 20), "has no area"),
    ((0.2, 0.3, 0.8, 0.9), "is smaller than a pixel"),
    ((70, 10, 80, 20), "lies outside of its image"),
    ((50, 10, 62, 20), "sticks out of its image"),
])  # fmt: skip
def test_bad_boxes_are_named_or_left_out(tmp_path, box, what):
    good = (10, 10, 20, 20)
    _, _, problems = looked(image(tmp_path, 1, good, box, box_format="xyxy"))
    (message,) = problems.errors
    assert f"train: a box that {what}: 'cat' at" in message
    assert "photos, 1.jpg" in message
    assert "data.on_bad_box: skip" in message
    examples, _, problems = looked(image(tmp_path, 1, good, box, box_format="xyxy"), on_bad_box="skip")
    assert not problems.errors
    assert places(examples[0]) == [good, *([(50, 10, 60, 20)] if what.startswith("sticks") else [])]


def test_what_sticks_out_by_a_pixel_is_cut(tmp_path):
    examples, _, problems = looked(image(tmp_path, 1, (-0.5, 10, 61, 40), box_format="xyxy"))
    assert (places(examples[0]), problems.errors) == ([(0, 10, 60, 40)], [])


def test_boxes_of_images_that_exif_turns(tmp_path):
    """A quarter turn to the right: what was left above is right above."""
    drawn: Any = {"box_format": "xyxy", "orientation": 6}
    before = image(tmp_path, 1, (0, 0, 10, 20), stated_size=(60, 40), **drawn)
    after = image(tmp_path, 2, (0, 0, 10, 20), stated_size=(40, 60), **drawn)
    fits_before = image(tmp_path, 3, (45, 0, 60, 20), **drawn)
    unknown = image(tmp_path, 4, (0, 0, 10, 20), **drawn)
    examples, _, problems = looked(*(before, after, fits_before, unknown))
    assert [places(example)[0] for example in examples] == [
        (20, 0, 40, 10), (0, 0, 10, 20), (20, 45, 40, 60), (0, 0, 10, 20),
    ]  # fmt: skip
    assert not problems.errors
    told = "\n".join(problems.warnings)
    assert all(f"photos, {number}.jpg" in told for number in (1, 2, 3, 4))
    assert told.count("as far as can be told") == 1


def test_boxes_that_were_drawn_for_another_size(tmp_path):
    _, _, problems = looked(image(tmp_path, 1, (0, 0, 10, 20), box_format="xyxy", stated_size=(600, 400)))
    assert "60 x 40 pixels, and its annotation says 600 x 400" in problems.errors[0]


def test_images_without_boxes_are_kept(tmp_path):
    examples, *_ = looked(image(tmp_path, 1), image(tmp_path, 2, (1, 2, 30, 40), box_format="xyxy"))
    assert [places(example) for example in examples] == [[], [(1, 2, 30, 40)]]
    assert (examples[0].width, examples[0].height) == (60, 40)


def test_a_tiny_set_is_what_it_should_be():
    assert [len(tiny_boxes.drawn(number)) for number in range(5)] == [1, 2, 1, 2, 0]


def test_numbers_are_places_among_the_labels_that_are_named() -> None:
    table = Table("rows", ("image", "objects"), [Row({"image": "a.png", "objects": {"bbox": [[1, 2, 3, 4]] * 3,
                                                       "category": [2, 0, 7]}}, 1)])  # fmt: skip
    columns = KIND.columns_of(KIND.task, data := ObjectDetectionData(train="x", labels=("cat", "dog", "7")))
    (example,) = KIND.read(table, KIND.task, columns, data, with_labels=True)
    assert [(box.label, box.category) for box in example.boxes] == [("7", 2), ("cat", 0), ("7", 7)]


def test_lists_of_boxes_and_labels_may_be_columns_of_their_own() -> None:
    row = {"image": "1.jpg", "bbox": [[1, 2, 3, 4]], "category": ["cat"], "size": [7, 7]}
    table = Table("rows.jsonl", tuple(row), [Row(row, 1)])
    (example,) = KIND.read(table, KIND.task, KIND.own_columns, ObjectDetectionData(train="-"), with_labels=True)
    assert (example.boxes, example.stated_size) == ((Box("cat", (1, 2, 3, 4)),), None)
