"""Every way in which a file may hold a picture ends in the same 8-bit RGB pixels, or in one message."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftkit.data import images
from ftkit.data.images import ImageExample, image_name, image_source, open_image, pixel_digest
from ftkit.errors import DataError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def failure(source: images.ImageSource) -> str:
    with pytest.raises(DataError) as caught:
        open_image(source, "x.png")
    return str(caught.value)


def pixel(source: images.ImageSource, x: int = 0, y: int = 0) -> tuple[int, ...]:
    image = open_image(source)
    assert image.mode == "RGB"
    return image.getpixel((x, y))


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("1", 1, WHITE),
    ("L", 7, (7, 7, 7)),
    ("RGB", (1, 2, 3), (1, 2, 3)),
    ("LA", (0, 0), WHITE),
    ("LA", (100, 255), (100, 100, 100)),
    ("RGBA", (255, 0, 0, 0), WHITE),
    ("RGBA", (255, 0, 0, 255), RED),
    ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
    ("I;16", 65535, WHITE),
    ("I;16", 257, (1, 1, 1)),
    ("I;16", 128, (0, 0, 0)),
])  # fmt: skip
def test_modes_of_png(mode, colour, expected):
    assert pixel(saved(Image.new(mode, (3, 2), colour))) == expected


@pytest.mark.parametrize(("mode", "colour", "expected"), [
    ("CMYK", (0, 255, 255, 0), RED),
    ("I", 65535, WHITE),
    ("F", 1.0, WHITE),
    ("F", 0.2, (51, 51, 51)),
    ("F", 254.0, (254, 254, 254)),
])  # fmt: skip
def test_modes_of_tiff(mode, colour, expected):
    assert pixel(saved(Image.new(mode, (3, 2), colour), "TIFF")) == expected


@pytest.mark.parametrize("number", [-1.0, 256.0, float("nan"), float("inf")])
def test_numbers_of_unknown_range_are_refused(number):
    assert "floating-point values of 0 to 1 or 0 to 255" in failure(saved(Image.new("F", (2, 2), number), "TIFF"))


def test_a_palette_and_its_transparent_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert [pixel(saved(image), x) for x in (0, 1)] == [RED, (0, 0, 255)]
    assert [pixel(saved(image, transparency=1), x) for x in (0, 1)] == [RED, WHITE]
    assert [pixel(saved(image, "GIF", transparency=1), x) for x in (0, 1)] == [RED, WHITE]


def test_a_transparent_colour_without_a_palette():
    assert pixel(saved(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))) == WHITE


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_turned_upright(format):
    image = Image.new("RGB", (40, 20), RED)
    image.paste((0, 0, 255), (0, 0, 20, 20))  # blue on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: left is up
    turned = open_image(saved(image, format, exif=exif))
    assert turned.size == (20, 40)
    assert np.allclose(turned.getpixel((10, 5)), (0, 0, 255), atol=6)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_says_nothing_about_a_sound_picture():
    content = saved(Image.new("RGB", (4, 4), RED), exif=b"Exif\0\0MM*\0garbage")
    assert pixel(content) == RED


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (2, 2), colour) for colour in (RED, WHITE)]
    assert pixel(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == RED


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"])
def test_a_file_that_was_cut_short_is_refused(format):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    content = saved(Image.fromarray(noise), format)
    open_image(content)
    message = failure(content[: len(content) // 2])
    assert message.startswith("x.png")
    assert "cut short" in message or "no image" in message or "cannot be opened" in message


def test_what_is_no_image_is_told(tmp_path):
    assert "expected JPEG, PNG" in failure(b"just some text, which is no picture")
    assert "it has 0 bytes" in images._what_it_is(b"")
    assert "HEIC" in failure(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "convert it to PNG" in failure(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert "PostScript" in failure(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    assert "there is no image" in failure(None)
    assert f"no such file (looked at {tmp_path / 'no.png'})" in failure(str(tmp_path / "no.png"))
    (tmp_path / "empty.png").write_bytes(b"")
    assert "it has 0 bytes" in failure(str(tmp_path / "empty.png"))
    assert "cannot be opened: Is a directory" in failure(str(tmp_path))


def test_a_format_that_starts_another_program_is_not_opened(tmp_path):
    assert not {"EPS", "WMF", "PDF", "PSD"} & set(images._FORMATS)


def announced(width: int, height: int) -> bytes:
    """A PNG of few bytes whose header announces many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_500, 11_000, 30_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(side, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 90_000_000)
    assert "90,000,000" in failure(announced(side, side))


def test_an_opened_image_is_read_in_the_same_way():
    assert pixel(Image.new("LA", (2, 2), (0, 0))) == WHITE
    assert "numbers from" in failure(Image.new("F", (2, 2), 300.0))


def test_digests_are_of_pixels_and_not_of_files(tmp_path):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    image.save(tmp_path / "one.png")
    image.save(tmp_path / "other.bmp")
    one, other = (ImageExample(id=0, image=str(tmp_path / name), name=name) for name in ("one.png", "other.bmp"))
    assert one.key() == other.key() == pixel_digest(image)
    assert one.key() != pixel_digest(image.rotate(90))
    assert pixel_digest(Image.new("RGB", (4, 1))) != pixel_digest(Image.new("RGB", (1, 4)))
    assert ImageExample(id=0, image=None, name="", digest="known").key() == "known"


def test_an_example_says_what_it_is():
    example = ImageExample(id=3, image="photos/cat/1.jpg", name="cat/1.jpg")
    assert (example.summary(), example.size) == ("cat/1.jpg", len("photos/cat/1.jpg"))
    assert ImageExample(id=3, image=b"12345", name="image 4").size == 5


@pytest.mark.parametrize(("cell", "source", "name"), [
    ("cat/1.jpg", "photos/cat/1.jpg", "cat/1.jpg"),
    ("/data/1.jpg", "/data/1.jpg", "/data/1.jpg"),
    (b"abc", b"abc", "image 8"),
    ({"bytes": b"abc", "path": "1.jpg"}, b"abc", "1.jpg"),
    ({"bytes": None, "path": "1.jpg"}, "photos/1.jpg", "1.jpg"),
    ({"bytes": b"abc", "path": None}, b"abc", "image 8"),
    (None, None, "image 8"),
    ("", None, "image 8"),
    ({"bytes": None, "path": None}, None, "image 8"),
])  # fmt: skip
def test_cells_of_tables(cell, source, name):
    assert image_source(cell, Path("photos")) == source
    assert image_name(cell, 7) == name


def test_cells_that_are_no_image():
    with pytest.raises(TypeError, match="int"):
        image_source(7, None)
