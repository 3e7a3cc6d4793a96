"""Changes of images: bounded, equal for equal generators, and masks and boxes go where the pixels go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from ftkit.adapters.augmentation.images import BoxedImageAugment, ImageAugment, Picture, ResizedCrop
from ftkit.adapters.augmentation.operation import options_of, section_of
from ftkit.data.masks import IGNORED

ALL: dict[str, Any] = {
    **dict.fromkeys(("horizontal_flip", "vertical_flip", "resized_crop", "grayscale", "blur", "erase"), True),
    "rotate": {"degrees": 30},
    "color_jitter": {"hue": 0.1},
}


def section(**operations: Any) -> ImageAugment:
    return ImageAugment.model_validate(operations)


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8))


def drawn(operations: ImageAugment, image: Image.Image, count: int, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [operations.applied(Picture(image), rng).image for _ in range(count)]


def test_the_same_generator_gives_the_same_pictures(image):
    one, two, other = ([found.tobytes() for found in drawn(section(**ALL), image, 5, seed)] for seed in (1, 1, 2))
    assert one == two != other
    assert len(set(one)) == 5


def test_nothing_is_drawn_where_nothing_is_asked_for(image):
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert section().applied(Picture(image), rng).image is image
    assert rng.bit_generator.state == state


@pytest.mark.parametrize(("name", "mirror"), [
    ("horizontal_flip", lambda pixels: pixels[:, ::-1]), ("vertical_flip", lambda pixels: pixels[::-1]),
])  # fmt: skip
def test_half_of_the_pictures_are_mirrored(name, mirror, image):
    found = [one.tobytes() for one in drawn(section(**{name: True}), image, 400)]
    mirrored = mirror(np.asarray(image)).tobytes()
    assert set(found) == {mirrored, image.tobytes()}
    assert 160 < found.count(mirrored) < 240
    assert {one.tobytes() for one in drawn(section(**{name: {"probability": 1}}), image, 20)} == {mirrored}


def test_crops_are_parts_of_bounded_size_and_shape(image):
    crops = drawn(section(resized_crop=True), image, 200)
    areas = np.array([crop.width * crop.height / (60 * 80) for crop in crops])
    ratios = np.array([crop.width / crop.height for crop in crops])
    (low, high), (narrow, wide) = ResizedCrop().area, ResizedCrop().ratio
    assert low - 0.02 < areas.min() <= areas.max() <= high
    assert narrow - 0.03 < ratios.min() <= ratios.max() < wide + 0.03
    assert np.ptp(areas) > 0.3
    whole, part = np.asarray(image), np.asarray(crops[0])
    places = [(y, x) for y in range(60 - len(part) + 1) for x in range(80 - part.shape[1] + 1)]
    assert any(np.array_equal(whole[y : y + len(part), x : x + part.shape[1]], part) for y, x in places)


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (2, 2)])
def test_the_smallest_pictures_bear_all_operations(size):
    for found in drawn(section(**ALL), Image.new("RGB", size), 30):
        assert 0 < found.width <= size[0]
        assert 0 < found.height <= size[1]


def test_where_sizes_count_a_part_gets_the_size_of_the_whole(image):
    crop = section(resized_crop={"area": [0.2, 0.3]}, rotate=True)
    for seed in range(5):
        part = crop.applied(Picture(image), np.random.default_rng(seed)).image
        found = crop.applied_in_size(image, np.random.default_rng(seed))
        assert found.size == image.size != part.size
        assert abs(np.asarray(found, float).mean() - np.asarray(part, float).mean()) < 5
    assert section().applied_in_size(image, np.random.default_rng(0)) is image


def test_colours_change_within_their_bounds_and_greys_have_none():
    grey = Image.new("RGB", (8, 8), (100, 100, 100))
    jitter = section(color_jitter={"brightness": 0.3, "contrast": 0, "saturation": 0.5})
    found = np.array([np.asarray(one)[0, 0] for one in drawn(jitter, grey, 200)])
    assert (found == found[:, :1]).all()
    assert 70 <= found.min() < 75
    assert 125 < found.max() <= 130
    coloured = Image.new("RGB", (8, 8), (200, 40, 40))
    (first, *_) = np.asarray(drawn(section(grayscale={"probability": 1}), coloured, 1)[0])[0]
    assert len(set(first.tolist())) == 1
    turned = section(color_jitter={"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0.5})
    assert len({tuple(np.asarray(one)[0, 0]) for one in drawn(turned, coloured, 20)}) > 10


def test_a_rectangle_of_bounded_size_is_covered_by_the_mean_colour():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, :50] = 200
    for found in drawn(section(erase={"probability": 1, "area": [0.1, 0.2]}), Image.fromarray(pixels), 50):
        covered = np.asarray(found)[..., 0] == 100
        assert 0.09 < covered.mean() < 0.21
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_what_is_blurred_keeps_its_mean_and_loses_contrast(image):
    (found,) = drawn(section(blur={"probability": 1, "sigma": [0.02, 0.02]}), image, 1)
    before, after = np.asarray(image, float), np.asarray(found, float)
    assert abs(before.mean() - after.mean()) < 2
    assert after.std() < before.std() / 2


def test_a_mask_moves_as_its_image_does():
    """The image shows its mask, so wherever both were moved they still say the same, but for blended borders."""
    mask = np.zeros((64, 96), np.int16)
    mask[10:30, 15:60] = 1
    mask[40:60, 50:90] = 1
    image = Image.fromarray((np.stack([mask] * 3, axis=-1) * 255).astype(np.uint8))
    moves = {name: ALL[name] for name in ("horizontal_flip", "vertical_flip", "rotate", "resized_crop")}
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        found = section(**moves).applied(Picture(image, mask), rng)
        assert found.mask is not None
        assert found.mask.shape == (found.image.height, found.image.width)
        seen.update(np.unique(found.mask).tolist())
        known = found.mask != IGNORED
        assert ((np.asarray(found.image)[..., 0] > 127) == (found.mask == 1))[known].mean() > 0.97
    assert seen == {IGNORED, 0, 1}
    # What comes in at the corners of a turn is of no class; without a turn nothing is.
    still = section(horizontal_flip=True, resized_crop=True)
    assert all((still.applied(Picture(image, mask), rng).mask != IGNORED).all() for _ in range(20))


def test_boxes_move_as_their_image_does():
    """A box is the bounding box of what it holds: after flips and crops just so, after a turn it holds it all."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[20:40, 30:70] = 255
    image, boxes = Image.fromarray(pixels), np.array([[30.0, 20.0, 70.0, 40.0]])
    rng = np.random.default_rng(0)
    for operations in ({"horizontal_flip": True, "vertical_flip": True, "resized_crop": True}, {"rotate": True}):
        augment = BoxedImageAugment.model_validate({**operations, "min_visibility": 0})
        for _ in range(60):
            found, moved, kept = augment.applied_to_boxes(image, boxes, rng)
            white = np.asarray(found)[..., 0] > 200
            assert kept[0] == white.any()
            if kept[0]:
                rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
                tight = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
                assert np.abs(moved[0] - tight).max() <= (2.0 if "rotate" in operations else 0.0)


def test_boxes_are_clipped_and_left_out_where_too_little_of_them_is_left():
    image = Image.new("RGB", (100, 100))
    boxes = np.array([[0.0, 0.0, 40.0, 40.0], [60.0, 60.0, 100.0, 100.0]])
    augment = BoxedImageAugment.model_validate(
        {"resized_crop": {"area": [0.36, 0.36], "ratio": [1, 1]}, "min_visibility": 0.5}
    )
    rng, counts = np.random.default_rng(0), set()
    for _ in range(200):
        picture = augment.applied(Picture(image, boxes=boxes), np.random.default_rng(state := rng.integers(1 << 32)))
        found, moved, kept = augment.applied_to_boxes(image, boxes, np.random.default_rng(state))
        assert picture.visible is not None
        assert found.size == (60, 60)
        assert moved.min() >= 0
        assert moved.max() <= 60
        areas = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
        np.testing.assert_allclose(picture.visible, areas / 1600)
        np.testing.assert_array_equal(kept, areas >= 800)
        counts.add(int(kept.sum()))
    assert counts == {0, 1}


def test_a_turn_makes_the_box_around_the_turned_corners():
    from ftkit.adapters.augmentation.images import _turned

    found = _turned(np.array([[40.0, 45.0, 60.0, 55.0], [0.0, 0.0, 10.0, 20.0]]), 90.0, (100, 100))
    np.testing.assert_allclose(found, [[45, 40, 55, 60], [0, 90, 20, 100]], atol=1e-9)


def test_a_section_is_saved_with_all_its_defaults_and_read_back():
    saved = options_of(section(rotate={"degrees": 5}, horizontal_flip=True, blur=False))
    assert saved == {"horizontal_flip": {"probability": 0.5}, "rotate": {"degrees": 5.0, "probability": 1.0}}
    assert options_of(section_of(ImageAugment, saved)) == saved
    assert options_of(section()) is None
    assert options_of(BoxedImageAugment(min_visibility=0.1)) is None
