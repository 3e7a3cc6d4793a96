"""Tells small pictures from what else a data URL can hold, without decoding them: they may come from a stranger."""

from __future__ import annotations

import re

from ftkit.report.data_url import bytes_of

MAX_CHARACTERS = 40_000
"""The longest data URL: a JPEG of 96 pixels takes some 5,000 characters, a PNG of noise 37,000."""

MAX_SIDE = 256
"""The largest width and height in pixels."""

_URL = re.compile(r"data:image/(jpeg|png);base64,([A-Za-z0-9+/]+={0,2})")
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# Markers of a JPEG that begin a frame and so tell its size; C4, C8 and CC are tables and extensions.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def is_safe_thumbnail(url: object) -> bool:
    """Tells whether a text is the data URL of a JPEG or PNG of few bytes and few pixels.

    The bytes begin as the type in the URL says, and the size in their header is bounded: some few bytes can
    unfold into gigabytes of pixels.
    """
    found = bytes_of(url, _URL, most_characters=MAX_CHARACTERS)
    if found is None:
        return False
    kind, data = found
    size = _png_size(data) if kind == "png" else _jpeg_size(data)
    return size is not None and all(1 <= side <= MAX_SIDE for side in size)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a PNG: the first chunk is its header."""
    if not data.startswith(_PNG_START) or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG: its segments are `FF marker length ...`, and one of them is the frame."""
    if not data.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = (int.from_bytes(data[start : start + 2], "big") for start in (place + 5, place + 7))
            return width, height
        if length < 2:
            return None
        place += 2 + length
    return None
