"""Images with boxes drawn into them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ftkit.data.boxes import Box, DetectionExample
from ftkit.data.drawn_boxes import IGNORED, TRUTH, sheet, truth_of, with_boxes
from ftkit.report.blocks.box_errors import Errors, errors_of, overlap


def test_boxes_lie_where_they_are_also_in_smaller_pictures():
    image = Image.new("RGB", (640, 320), "white")
    drawn = with_boxes(image, [("", (100, 40, 300, 200), "#ff0000")], side=320)
    red = np.argwhere((np.asarray(drawn) == (255, 0, 0)).all(axis=-1))
    assert drawn.size == (320, 160)
    assert (red.min(axis=0).tolist(), red.max(axis=0).tolist()) == ([20, 50], [100, 150])


def test_a_sheet_shows_all_and_what_is_ignored_is_grey():
    boxes = (Box("cat", (1, 1, 9, 9)), Box("дом", (2, 2, 8, 8), ignored=True))
    one = DetectionExample(id=0, image=Image.new("RGB", (20, 10)), name="кот.jpg", boxes=boxes)
    assert [colour for *_, colour in truth_of(one)] == [TRUTH, IGNORED]
    assert sheet([one] * 5, None).size == (4 * 328 + 8, 2 * 34 + 8)


def test_errors_of_an_image():
    truth = np.array([[0, 0, 0, 0, 10, 10, 100], [1, 0, 20, 20, 40, 40, 400], [0, 1, 60, 60, 80, 80, 400]], float)
    found = np.array(
        [
            [0, 0.9, 0, 0, 10, 9],  # right
            [0, 0.8, 20, 20, 40, 39],  # another label
            [1, 0.7, 60, 60, 80, 80],  # on what is ignored
            [1, 0.6, 90, 90, 99, 99],  # on nothing
            [0, 0.6, 0, 0, 10, 10],  # a second time
            [0, 0.4, 50, 50, 55, 55],  # not sure enough
        ]
    )
    assert errors_of(found, truth) == Errors(false_positives=2, misses=0, confusions=1)
    assert errors_of(found[:0], truth) == Errors(0, 2, 0)
    assert overlap(np.array([0, 0, 10, 10.0]), np.array([0, 5, 10, 15.0])) == 1 / 3
