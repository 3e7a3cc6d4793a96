"""Hashes of 64 bits that equal values share in every process, in the place of the values."""

from __future__ import annotations

import hashlib
from typing import Any


def hash_of(value: Any) -> int:
    """Returns 64 bits that equal values share.

    Among ten million different values, two share them with a probability of 3 in a million.
    """
    return int.from_bytes(hashlib.blake2b(_bytes_of(value), digest_size=8).digest(), "little")


def _bytes_of(value: Any) -> bytes:
    """Returns the same bytes for equal values; of texts and tuples of them without printing them."""
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    if isinstance(value, tuple):
        parts = [_bytes_of(part) for part in value]
        return b"t" + b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return repr(value).encode("utf-8", "surrogatepass")
