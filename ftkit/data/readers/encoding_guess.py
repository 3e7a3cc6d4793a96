"""Guesses the encoding of a text file from all of its bytes, for advice in messages; no guess is used to read."""

from __future__ import annotations

import codecs
import itertools
import string
from collections.abc import Iterable
from dataclasses import dataclass, field

WINDOWS: dict[str, str] = {
    "iso8859-1": "cp1252",
    "iso8859-15": "cp1252",
    "iso8859-2": "cp1250",
    "iso8859-5": "cp1251",
    "iso8859-7": "cp1253",
    "iso8859-9": "cp1254",
}
"""An ISO encoding -> the one of Windows that is mistaken for it.

The ISO encodings have invisible control characters at 0x80-0x9F, where Windows has quotes, dashes and the euro sign.
"""

_HIGH = bytes(range(0x80, 0x100))
_CONTROLS = bytes(range(0x80, 0xA0))
_LETTERS = string.ascii_letters.encode()
_MOST = 0.4
"""Share of bytes above 0x7F among these and ASCII letters. Languages in the Latin script stay below: Vietnamese, with
the most accents, has about a third; Cyrillic, Greek, Chinese or Japanese in their old encodings are far above."""


@dataclass
class ByteCounts:
    """What the bytes of a file tell about its encoding.

    Attributes:
        letters: ASCII letters.
        high: bytes above 0x7F.
        controls: the different bytes from 0x80 to 0x9F.
        valid: characters beyond ASCII if the file is read as UTF-8.
        invalid: places where the file is no UTF-8.
    """

    letters: int = 0
    high: int = 0
    controls: set[int] = field(default_factory=set)
    valid: int = 0
    invalid: int = 0


def count_bytes(chunks: Iterable[bytes]) -> ByteCounts:
    """Counts the bytes of a file, given in chunks."""
    counts = ByteCounts()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in itertools.chain(chunks, [b""]):
        counts.letters += len(chunk) - len(chunk.translate(None, _LETTERS))
        high = len(chunk) - len(chunk.translate(None, _HIGH))
        counts.high += high
        if high:
            counts.controls |= set(chunk).intersection(_CONTROLS)
        text = decoder.decode(chunk, final=not chunk)
        if high or not text.isascii():
            invalid = text.count("\ufffd")
            counts.invalid += invalid
            counts.valid += sum(character > "\x7f" for character in text) - invalid
    return counts


def likely_encoding(counts: ByteCounts) -> str | None:
    """Returns the encoding that a file which is no UTF-8 was probably written in, None where that cannot be told.

    latin-1 and cp1252 are one wherever both have letters; a byte that is a control character in latin-1 says cp1252.
    """
    if counts.high > _MOST * (counts.high + counts.letters):
        return None
    if not counts.controls:
        return "latin-1"
    return "cp1252" if has_all("cp1252", counts.controls) else None


def has_all(encoding: str, controls: Iterable[int]) -> bool:
    """Tells whether an encoding has a character for each of the bytes."""
    try:
        bytes(controls).decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
