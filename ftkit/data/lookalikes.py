"""Names that a person reads as one: they differ in case, spaces, invisible characters or how they are encoded."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

from ftkit.data.problems import Problems

_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
_VARIATION_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
_NUMBER = re.compile(r"\+?(?P<sign>-?)0*(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]*))?")


def appearance(name: str) -> str:
    """Returns a key that names share which look alike.

    Example: `Café` with one or two code points for the é, `café `, and `Café` with a zero-width space share a key; so
    do `e-mail` with an ASCII hyphen and with U+2011, and `1`, `01` and `1.0`.
    """
    visible = _visible(name).casefold()
    return _number(visible) or visible


def alike(names: Iterable[str]) -> list[list[str]]:
    """Returns the groups of two names or more that look alike."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[appearance(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def differ_visibly(names: Iterable[str]) -> bool:
    """Tells whether case or white space alone tells names apart: a person sees that when it is pointed out."""
    return len({_spaced(name) for name in names}) == 1


def warn_of_lookalikes(
    counts: Mapping[str, int], problems: Problems, *, noun: str = "labels", where: str | None = None, places: str = ""
) -> None:
    """Warns of names that look alike and are yet different labels.

    Args:
        counts: name -> rows that have it.
        noun: what the message calls the names.
        where: the file.
        places: where the rarest is, as the message ends.
    """
    if all(_number(_visible(name)) for name in counts):
        how, show, remedy = f"{noun} that are one number, written in several ways,", ascii, "write it one way"
    elif differ_visibly(counts):
        how, show, remedy = f"{noun} that differ only in case or white space", repr, "spell them one way"
    else:  # ASCII alone can show the difference
        how, show = (
            f"{noun} that look alike, but differ in characters that are invisible or encoded differently",
            ascii,
        )
        remedy = 'spell them one way; in Python unicodedata.normalize("NFKC", name) makes most of them equal'
    listed = ", ".join(f"{show(name)} ({count:,} rows)" for name, count in counts.items())
    problems.warn(f"{how} are different {noun}: {listed}{places}", where=where, remedy=remedy)


def _number(name: str) -> str:
    """Returns a number without what does not change it, such as `1.` for `01` and `1.0`; empty if it is none."""
    found = _NUMBER.fullmatch(name)
    return f"{found['sign']}{found['whole']}.{(found['part'] or '').rstrip('0')}" if found else ""


def _spaced(name: str) -> str:
    return " ".join(name.split()).casefold()


def _visible(name: str) -> str:
    """Returns a name in one encoding (NFKC), without characters that take no room."""
    characters = []
    for character in unicodedata.normalize("NFKC", name):
        if character in _DASHES:
            characters.append("-")
        elif unicodedata.category(character) != "Cf" and character not in _VARIATION_SELECTORS:
            characters.append(_QUOTES.get(character, character))
    return " ".join("".join(characters).split())
