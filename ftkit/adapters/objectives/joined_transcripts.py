"""One transcript of the windows of a long recording, in which what neighbours share was heard twice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import reduce

import regex

from ftkit.metrics.transcripts import in_form
from ftkit.unspaced import RANGES

SLACK = 1.5  # speech may be denser where windows meet than it is on average
FEWEST = 4  # words that are looked at, at least: a window may hold few

# A word with the space before it; of scripts that put no spaces between words, a character.
_PIECE = regex.compile(rf"\s*(?:[{RANGES}]|[^\s{RANGES}]+)", regex.V1)


def joined_transcript(windows: Sequence[str], share: float) -> str:
    """Returns the transcript of a recording that was heard in windows.

    Of two neighbours, the longest run of words that both hold where they overlap is looked for, and the transcript
    changes over in its middle: words at the edge of a window are those that are heard wrong or cut in two. Case and
    punctuation make no difference. Where they share no words, one stands behind the other.

    Example: "the rain in Spain falls on" and "Spain, falls on the plain" are "the rain in Spain falls on the plain".

    Args:
        windows: transcripts, in their order.
        share: part of a window that it shares with the next.
    """
    return reduce(lambda left, right: _joined(left, right, share), (text.strip() for text in windows))


def _joined(left: str, right: str, share: float) -> str:
    ours, theirs = _PIECE.findall(left), _PIECE.findall(right)
    tail, head = (ours[-_most(ours, share) :], theirs[: _most(theirs, share)])
    found = SequenceMatcher(None, _keys(tail), _keys(head), autojunk=False).find_longest_match()
    if not found.size:
        return " ".join(filter(None, (left, right)))
    half = (found.size + 1) // 2
    kept = ours[: len(ours) - len(tail) + found.a + half]
    return ("".join(kept) + "".join(theirs[found.b + half :])).strip()


def _most(pieces: Sequence[str], share: float) -> int:
    """Returns how many pieces may lie where two windows overlap, at most."""
    return min(len(pieces), max(FEWEST, math.ceil(SLACK * share * len(pieces))))


def _keys(pieces: Sequence[str]) -> list[str]:
    return [in_form(piece, "basic") or piece.strip() for piece in pieces]
