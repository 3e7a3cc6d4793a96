"""Augmentations: equal generators give equal pictures, and what is left is a part of the picture that was."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ftkit.adapters.preprocessors.image_augmentation import (
    AUGMENTATIONS,
    CROP_AREA,
    CROP_RATIO,
    augmented,
    horizontal_flip,
    resized_crop,
)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))


def test_the_same_generator_gives_the_same_pictures(picture):
    def draw(seed: int) -> list[bytes]:
        rng = np.random.default_rng(seed)
        return [augmented(picture, AUGMENTATIONS, rng).tobytes() for _ in range(5)]

    assert draw(1) == draw(1) != draw(2)
    assert len(set(draw(1))) == 5


def test_nothing_is_changed_without_a_name(picture):
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert augmented(picture, (), rng) is picture
    assert rng.bit_generator.state == state


def test_half_of_the_pictures_are_mirrored(picture):
    rng = np.random.default_rng(0)
    mirrored = np.asarray(picture)[:, ::-1].tobytes()
    drawn = [horizontal_flip(picture, rng).tobytes() for _ in range(400)]
    assert set(drawn) == {mirrored, picture.tobytes()}
    assert 160 < drawn.count(mirrored) < 240


def test_crops_are_parts_of_bounded_size_and_shape(picture):
    rng = np.random.default_rng(0)
    crops = [resized_crop(picture, rng) for _ in range(200)]
    areas = np.array([crop.width * crop.height / (60 * 80) for crop in crops])
    ratios = np.array([crop.width / crop.height for crop in crops])
    assert areas.min() > CROP_AREA[0] - 0.02
    assert areas.max() <= 1
    assert ratios.min() > CROP_RATIO[0] - 0.03
    assert ratios.max() < CROP_RATIO[1] + 0.03
    assert np.ptp(areas) > 0.3
    whole, part = np.asarray(picture), np.asarray(crops[0])
    places = [(y, x) for y in range(60 - len(part) + 1) for x in range(80 - part.shape[1] + 1)]
    assert any(np.array_equal(whole[y : y + len(part), x : x + part.shape[1]], part) for y, x in places)


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (2, 2)])
def test_pictures_of_which_no_part_has_such_a_shape_stay_whole(size):
    crop = resized_crop(Image.new("RGB", size), np.random.default_rng(0))
    assert 0 < crop.width <= size[0]
    assert 0 < crop.height <= size[1]
