"""Masks: a pixel's value is what is stored, whatever a viewer makes of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ftkit.data.masks import IGNORED, ClassMask, MaskClasses, distinct_color, open_mask, packed, read_mask, unpacked
from ftkit.errors import DataError


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def palette_image() -> Image.Image:
    image = Image.fromarray(np.array([[0, 3]], np.uint8))
    image.putpalette([9, 9, 9, 0, 0, 0, 0, 0, 0, 200, 0, 0])
    return image


@pytest.mark.parametrize(
    ("image", "values"),
    [
        (Image.fromarray(np.array([[0, 255, 7]], np.uint8)), [[0, 255, 7]]),
        (Image.fromarray(np.array([[True, False]])), [[1, 0]]),
        (palette_image(), [[0, 3]]),
        (Image.fromarray(np.array([[0, 1000, 65535]], np.uint16)), [[0, 1000, 65535]]),
        (Image.fromarray(np.full((1, 2, 3), 255, np.uint8)), [[255, 255]]),
        (Image.fromarray(np.array([[[5, 5, 5, 255]]], np.uint8)), [[5]]),
    ],
    ids=["grey", "one bit", "palette", "16 bits", "grey as RGB", "grey as opaque RGBA"],
)
def test_values_are_those_that_are_stored(image: Image.Image, values: list[list[int]]) -> None:
    assert open_mask(saved(image)).tolist() == values


def test_colours_are_packed_also_black_ones_and_those_of_a_palette() -> None:
    colors = Image.fromarray(np.array([[[128, 0, 0], [0, 0, 0]]], np.uint8))
    assert read_mask(saved(colors), "m")[1] is True
    assert open_mask(saved(colors), as_colors=True).tolist() == [[8388608, 0]]
    white = Image.fromarray(np.full((1, 1, 3), 255, np.uint8))
    assert open_mask(saved(white), as_colors=True).tolist() == [[packed((255, 255, 255))]]
    assert open_mask(saved(palette_image()), as_colors=True).tolist() == [[packed((9, 9, 9)), packed((200, 0, 0))]]
    assert unpacked(packed((1, 2, 3))) == (1, 2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (saved(Image.new("L", (2, 2)), "JPEG"), "m is a JPEG, which blends"),
        (saved(Image.new("RGBA", (2, 2), (0, 0, 0, 9))), "m is transparent in places"),
        (saved(Image.fromarray(np.array([[0.5]], np.float32)), "TIFF"), "m holds fractions"),
        (b"no image", "m is no image"),
        (None, "there is no mask"),
    ],
    ids=["jpeg", "transparent", "fractions", "no image", "none"],
)
def test_what_is_no_mask_is_refused(content: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        open_mask(content, "m")


def test_values_become_class_indices_and_what_is_left_out() -> None:
    classes = MaskClasses((0, 255), ignored=7)
    assert classes.indices(np.array([[0, 255, 7]])).tolist() == [[0, 1, IGNORED]]
    with pytest.raises(DataError, match=r"a\.png holds the value 9, no class's"):
        classes.indices(np.array([[0, 9]]), "a.png")
    with pytest.raises(DataError, match=r"the colour \[0, 0, 9\]"):
        MaskClasses((0,), are_colors=True).indices(np.array([[9]]))


@pytest.mark.parametrize(
    "classes",
    [
        MaskClasses((0, 255)),
        MaskClasses((7, 3, 5)),
        MaskClasses((0, 1000)),
        MaskClasses((packed((200, 0, 0)), packed((0, 0, 90))), are_colors=True),
        MaskClasses(tuple(range(300)), are_colors=True),
    ],
    ids=["0 and 255", "any order", "16 bits", "colours", "more colours than a palette holds"],
)
def test_what_is_predicted_reads_back_as_the_users_own_masks(classes: MaskClasses) -> None:
    indices = np.random.default_rng(0).integers(len(classes.values), size=(6, 5)).astype(np.int16)
    again = classes.open(saved(classes.as_image(indices)), "m")
    assert np.array_equal(again, indices)


def test_a_mask_in_memory_is_small_and_equal_to_its_like() -> None:
    indices = np.zeros((500, 500), np.int16)
    mask = ClassMask(indices)
    assert np.array_equal(mask.indices(), indices)
    assert len(mask.content) < 5_000
    assert mask == ClassMask(indices)
    assert mask != ClassMask(indices + 1)


def test_colours_of_classes_differ() -> None:
    assert len({distinct_color(index) for index in range(150)}) == 150
