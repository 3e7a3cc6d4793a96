"""A model card that is written anew keeps what a person wrote into it: a three-way merge by section."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_KEY = re.compile(r"([^\s#\-][^:\n]*):(?:\s|$)")
_HEADING = re.compile(r" {0,3}##[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?\n)??---[ \t]*(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A key of the front matter with its lines, or a `##` heading with all below it.

    Attributes:
        key: what it is found by; empty for what stands before the first one. Of equal names the second and later
            ones are counted.
        text: all of its lines, with the white space that follows.
    """

    key: tuple[str, int]
    text: str

    def says_as(self, other: Section) -> bool:
        """Tells whether two sections differ in nothing but the white space that follows."""
        return self.text.rstrip() == other.text.rstrip()

    def replaced_by(self, other: Section) -> Section:
        """Returns the other's text with the white space that follows this one."""
        return Section(self.key, other.text.rstrip() + self.text[len(self.text.rstrip()) :])


def merge_cards(last: str, mine: str, new: str) -> str:
    """Returns a card with what was generated anew, and with what a person wrote.

    A section (a key of the front matter, or a `##` heading with what is below it) that is as it was generated is
    replaced. One that was edited stays, one that was added stays where it is, one that was deleted stays deleted.
    A card that holds nothing is taken for one that is missing.

    Example: a person added `license: mit` and rewrote `## Limits`; the new card has other scores. The result has the
    license, the rewritten limits and the new scores.

    Args:
        last: the card as it was last generated.
        mine: the card as it is now.
        new: the card as it would be generated now.
    """
    crlf = "\r\n" in mine
    last, mine, new = (text.removeprefix("\ufeff").replace("\r\n", "\n") for text in (last, mine, new))
    if mine == last or not mine.strip():
        merged = new
    else:
        (last_front, last_body), (my_front, my_body), (new_front, new_body) = map(_split, (last, mine, new))
        front = _merge(list(_keys(last_front)), list(_keys(my_front)), list(_keys(new_front)), gap="\n")
        body = _merge(list(_headings(last_body)), list(_headings(my_body)), list(_headings(new_body)), gap="\n\n")
        merged = (f"---\n{front.rstrip()}\n---\n" if front.strip() else "") + body
    return merged.replace("\n", "\r\n") if crlf else merged


def sections(card: str) -> dict[str, str]:
    """Returns the `##` sections of a card by their headings; what comes before the first one as the empty heading."""
    body = _split(card.removeprefix("\ufeff").replace("\r\n", "\n"))[1]
    return {section.key[0]: section.text for section in _headings(body)}


def _split(card: str) -> tuple[str, str]:
    """Returns the front matter without its rules, and the body."""
    match = _FRONT_MATTER.match(card)
    return (match[1] or "", card[match.end() :]) if match else ("", card)


def _merge(last: list[Section], mine: list[Section], new: list[Section], *, gap: str) -> str:
    before, now = ({section.key: section for section in found} for found in (last, new))
    merged: list[Section] = []
    for section in mine:
        known, fresh = before.get(section.key), now.get(section.key)
        is_generated = known is not None and section.says_as(known)
        if fresh is not None and is_generated:
            merged.append(section.replaced_by(fresh))
        elif not is_generated:
            merged.append(section)
    kept = {section.key for section in mine}
    place = 0
    for section in new:
        if section.key in kept:
            place = 1 + next((at for at, one in enumerate(merged) if one.key == section.key), place - 1)
        elif section.key not in before:
            merged.insert(place, section)
            place += 1
    return _joined(merged, gap)


def _joined(found: list[Section], gap: str) -> str:
    """Returns sections one after another, each on lines of its own."""
    text = ""
    for section in found:
        if text and not text.endswith(gap):
            text = text.rstrip("\n") + gap
        text += section.text
    return text if not text or text.endswith("\n") else f"{text}\n"


def _keys(front: str) -> Iterator[Section]:
    lines = front.splitlines(keepends=True)
    return _cut(lines, [(match[1] if (match := _KEY.match(line)) else None) for line in lines])


def _headings(body: str) -> Iterator[Section]:
    """Yields the sections of a body; what looks like a heading within a block of code is none."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", body)
    names: list[str | None] = []
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        heading = _HEADING.match(line.rstrip("\n"))
        names.append(heading[1] if heading and not fence else None)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
    return _cut(lines, names)


def _cut(lines: list[str], names: list[str | None]) -> Iterator[Section]:
    """Yields sections: each begins at a line with a name; equal names are counted."""
    counts: Counter[str] = Counter()
    name, text = "", ""
    for line, found in zip(lines, names, strict=True):
        if found is not None:
            if text:
                yield Section((name, counts[name]), text)
                counts[name] += 1
            name, text = found, ""
        text += line
    if text:
        yield Section((name, counts[name]), text)
