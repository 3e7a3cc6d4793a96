"""Small pictures for a report: bounded in size, and nothing of the original but its pixels."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from ftkit.data.images import ImageSource, open_image

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 96
"""Pixels: a row of ten fits on a screen, and a face or a digit can still be told."""

SHEET_SIDE = 160
"""Of pictures that are compared with one another: four beside one another fit on a page."""

QUALITY = 70
MAX_BYTES = 10_000
"""Of one JPEG file. Noise of 96 x 96 pixels, which nothing can compress, takes 7 kB; photos take 2 to 3."""

PREFIX = "data:image/jpeg;base64,"


def thumbnail(source: ImageSource, name: str) -> bytes:
    """Returns an image as a JPEG of at most 96 x 96 pixels, in its own shape.

    A photo's file also says where and when it was taken, and by whose camera; none of it is copied.

    Raises:
        DataError: the image cannot be opened.
    """
    image = open_image(source, name)
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    content = _jpeg(image)
    assert len(content) <= MAX_BYTES, f"a thumbnail of {len(content)} bytes"
    return content


def _jpeg(image: Image.Image) -> bytes:
    from PIL import Image

    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def picture_uri(image: Image.Image) -> str:
    """Returns a picture of at most 256 x 256 pixels in the form that a page holds by itself."""
    return PREFIX + base64.b64encode(_jpeg(image)).decode("ascii")


def thumbnail_uri(source: ImageSource, name: str) -> str:
    """Returns a thumbnail in the form that a page holds by itself."""
    return PREFIX + base64.b64encode(thumbnail(source, name)).decode("ascii")
