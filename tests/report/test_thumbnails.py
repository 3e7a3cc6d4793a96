from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ftkit.errors import DataError
from ftkit.report.thumbnails import MAX_BYTES, PREFIX, thumbnail, thumbnail_uri


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(("size", "expected"), [
    ((400, 300), (96, 72)),
    ((30, 20), (30, 20)),
    ((2000, 1), (96, 1)),
])  # fmt: skip
def test_a_thumbnail_keeps_the_shape_and_is_never_larger_than_the_image(size, expected):
    image = opened(thumbnail(Image.new("RGB", size, "red"), "x"))
    assert (image.format, image.size) == ("JPEG", expected)


def test_its_size_is_bounded_whatever_it_shows():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (500, 500, 3), np.uint8))
    full = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    assert max(len(thumbnail(noise, "x")), len(thumbnail(full, "x"))) < MAX_BYTES


def test_nothing_but_pixels_is_copied():
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, "JPEG", exif=exif, comment=b"at home", icc_profile=b"profile")
    content = thumbnail(buffer.getvalue(), "x")
    assert not {"exif", "comment", "icc_profile"} & set(opened(content).info)
    assert b"camera" not in content
    assert b"home" not in content


def test_an_image_turned_by_its_camera_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, "JPEG", exif=exif)
    assert opened(thumbnail(buffer.getvalue(), "x")).size == (48, 96)


def test_the_form_that_a_page_holds():
    uri = thumbnail_uri(Image.new("RGB", (10, 10), "red"), "x")
    assert uri.startswith(PREFIX)
    assert opened(base64.b64decode(uri.removeprefix(PREFIX), validate=True)).size == (10, 10)


def test_an_image_that_is_gone():
    with pytest.raises(DataError, match="1.jpg: no such file"):
        thumbnail("/nowhere/1.jpg", "1.jpg")
