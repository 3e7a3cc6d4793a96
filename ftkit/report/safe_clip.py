"""Tells short recordings from what else a data URL can hold, without decoding them: they may come from a stranger."""

from __future__ import annotations

import re

from ftkit.report.data_url import bytes_of

MAX_CHARACTERS = 150_000
"""The longest data URL: 15 seconds of speech take some 83,000 characters."""

_URL = re.compile(r"data:audio/(mpeg);base64,([A-Za-z0-9+/]+={0,2})")


def is_safe_clip(url: object) -> bool:
    """Tells whether a text is the data URL of an MP3 of few bytes: its bytes begin with the header of a frame."""
    found = bytes_of(url, _URL, most_characters=MAX_CHARACTERS)
    if found is None:
        return False
    _, data = found
    # Eleven bits that are set, then a version and a layer; layer 01 is what MP3 calls III.
    return len(data) > 4 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2
