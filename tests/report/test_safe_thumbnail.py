"""Small pictures are told from all else that a data URL can hold."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ftkit.report.safe_thumbnail import MAX_CHARACTERS, MAX_SIDE, is_safe_thumbnail


def data_url(picture: Image.Image, format: str) -> str:
    data = io.BytesIO()
    picture.save(data, format)
    return as_url(data.getvalue(), f"image/{format.lower()}")


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def as_url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def png_header(width: int, height: int) -> bytes:
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x02\x00\x00\x00"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(96, 96), (96, 1), (1, 96), (40, 96)])
def test_a_picture_of_any_noise_is_small_enough(format: str, size: tuple[int, int]) -> None:
    assert is_safe_thumbnail(data_url(noise(*size), format))


def test_kinds_of_jpeg() -> None:
    plain = Image.new("RGB", (MAX_SIDE, MAX_SIDE), "red")
    for mode in ("L", "CMYK"):
        assert is_safe_thumbnail(data_url(plain.convert(mode), "JPEG"))
    # An EXIF segment stands before the frame that tells the size.
    exif = Image.Exif()
    exif[0x010E] = "a note"
    plain.info["exif"] = exif.tobytes()
    assert is_safe_thumbnail(data_url(plain, "JPEG"))


JPEG = base64.b64decode(data_url(noise(32, 32), "JPEG").partition(",")[2])

REFUSED = {
    "nothing": "",
    "no text": 5,
    "an address": "http://a.b/c.png",
    "a page": as_url(b"<html>", "text/html"),
    "SVG": as_url(b"<svg onload='x'/>", "image/svg+xml"),
    "GIF": as_url(b"GIF89a" + bytes(40), "image/gif"),
    "SVG called PNG": as_url(b"<svg onload='x'/>"),
    "JPEG called PNG": as_url(JPEG),
    "PNG called JPEG": as_url(png_header(9, 9), "image/jpeg"),
    "not encoded": "data:image/png,abc",
    "spaces": as_url(png_header(9, 9)) + " ",
    "a quote": as_url(png_header(9, 9)) + '" onerror="x',
    "a parameter": as_url(png_header(9, 9)).replace(";", ";charset=x;"),
    "broken base64": "data:image/png;base64,iVBORw0KG",
    "many bytes": as_url(png_header(9, 9) + bytes(MAX_CHARACTERS)),
    "many pixels": as_url(png_header(50_000, 50_000)),
    "wide": data_url(Image.new("RGB", (MAX_SIDE + 1, 2)), "JPEG"),
    "no pixels": as_url(png_header(0, 9)),
    "a header alone": as_url(b"\x89PNG\r\n\x1a\n"),
    "a JPEG cut before its frame": as_url(JPEG[:30], "image/jpeg"),
    "segments of no length": as_url(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 9, "image/jpeg"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_small_picture(name: str) -> None:
    assert not is_safe_thumbnail(REFUSED[name])
