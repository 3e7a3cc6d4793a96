"""The bytes that a data URL holds: it may come from a stranger."""

from __future__ import annotations

import base64
import binascii
import re


def bytes_of(url: object, pattern: re.Pattern[str], *, most_characters: int) -> tuple[str, bytes] | None:
    """Returns what a data URL says of its type, and its bytes; None where it is none, too long, or no base64.

    Args:
        pattern: of the whole URL: a group that says the type, then a group of base64.
    """
    if not isinstance(url, str) or len(url) > most_characters:
        return None
    found = pattern.fullmatch(url)
    if found is None:
        return None
    try:
        return found[1], base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return None
