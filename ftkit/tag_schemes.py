"""Tag schemes: how a sequence of tags says where entities begin and end. Plain Python, no NumPy.

One sentence, "Anna met Bo Li in Rome", with a person, a person of two words and a place, in each scheme:

| scheme | Anna  | met | Bo    | Li    | in | Rome  |
|--------|-------|-----|-------|-------|----|-------|
| IO     | I-PER | O   | I-PER | I-PER | O  | I-LOC |
| IOB1   | I-PER | O   | I-PER | I-PER | O  | I-LOC |
| IOB2   | B-PER | O   | B-PER | I-PER | O  | B-LOC |
| IOBES  | S-PER | O   | B-PER | E-PER | O  | S-LOC |
| BILOU  | U-PER | O   | B-PER | L-PER | O  | U-LOC |

IOB1 (Ramshaw and Marcus 1995, cmp-lg/9505040) writes B only where an entity touches another of its own type; IO
cannot tell such two apart. IOB2 is of Ratnaparkhi (1998); IOBES and BILOU (Ratinov and Roth 2009, W09-1119) differ
in two letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, get_args

Scheme = Literal["IO", "IOB1", "IOB2", "IOBES", "BILOU"]
"""How tags mark the borders of entities."""

Repair = Literal["begin", "outside"]
"""What an illegal tag becomes: the beginning of an entity, as conlleval reads it, or no entity, as strict scoring."""

PLAIN: Final = "none"
"""What stands in place of a scheme where each tag is a name by itself, such as a part of speech."""

OUTSIDE = "O"
NO_TYPE = "_"  # what a bare B or I is called, as in seqeval

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

PREFIXES: dict[Scheme, str] = {"IO": "I", "IOB1": "BI", "IOB2": "BI", "IOBES": "BIES", "BILOU": "BILU"}
"""Scheme -> its letters beside O, in the order in which labels list them."""

_ALL_PREFIXES = frozenset("BIESLU")
# BILOU is IOBES with other letters, so that every rule is written once.
_AS_IOBES = {"L": "E", "U": "S"}


class Entity(NamedTuple):
    """One entity: words `start` to `stop`, the latter not included."""

    label: str
    start: int
    stop: int


class Parsed(NamedTuple):
    """A tag in parts; the prefix is O, B, I, E or S, and empty where the tag has none."""

    prefix: str
    label: str


_NOTHING = Parsed(OUTSIDE, "")


def parse(tag: str) -> Parsed:
    """Returns a tag in parts: `B-creative-work` is (B, creative-work), `U-PER` is (S, PER), `PER` is ("", PER)."""
    if tag == OUTSIDE:
        return _NOTHING
    if tag in _ALL_PREFIXES:
        return Parsed(_AS_IOBES.get(tag, tag), NO_TYPE)
    prefix, hyphen, label = tag.partition("-")
    if hyphen and label and prefix in _ALL_PREFIXES:
        return Parsed(_AS_IOBES.get(prefix, prefix), label)
    return Parsed("", tag)


def tag_names(entity_types: Iterable[str], scheme: Scheme) -> tuple[str, ...]:
    """Returns all tags of a scheme: O, then each type with each prefix."""
    return (OUTSIDE, *(f"{prefix}-{name}" for name in entity_types for prefix in PREFIXES[scheme]))


def entity_type(tag: str) -> str | None:
    """Returns the type that a tag speaks of; None for O."""
    return None if tag == OUTSIDE else parse(tag).label


# --- legality -----------------------------------------------------------------------------------------------


def may_follow(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Tells whether one tag may stand after another; None is the sentence's beginning or end.

    Args:
        before: a tag with a prefix of the scheme, or O.
        after: likewise.
    """
    return _may_follow(_NOTHING if before is None else parse(before), None if after is None else parse(after), scheme)


def _may_follow(before: Parsed, after: Parsed | None, scheme: Scheme) -> bool:
    if scheme in ("IOBES", "BILOU"):
        is_open = before.prefix in ("B", "I")
        if after is None:
            return not is_open
        continues = after.prefix in ("I", "E")
        return continues and after.label == before.label if is_open else not continues
    if after is None or scheme == "IO":
        return True
    if scheme == "IOB2":
        return after.prefix != "I" or (before.prefix != OUTSIDE and before.label == after.label)
    return after.prefix != "B" or before.label == after.label


def illegal_positions(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """Returns the positions at which a sequence breaks its scheme; an unfinished entity counts at its last word."""
    letters = {_AS_IOBES.get(letter, letter) for letter in PREFIXES[scheme]} | {OUTSIDE}
    wrong, before = [], _NOTHING
    for position, tag in enumerate(tags):
        parsed = parse(tag)
        if parsed.prefix not in letters or not _may_follow(before, parsed, scheme):
            wrong.append(position)
        before = parsed
    if tags and not _may_follow(before, None, scheme):
        wrong.append(len(tags) - 1)
    return sorted(set(wrong))


# --- tags <-> entities ----------------------------------------------------------------------------------------


def strict_entities(tags: Sequence[str], scheme: Scheme) -> list[Entity]:
    """Returns the entities that follow the scheme to the letter; what does not is no entity (seqeval's strict mode).

    Example, IOB2: `I-PER O B-LOC I-LOC I-PER` holds one, (LOC, 2, 4).
    """
    if scheme == "IOB1":
        return _strict_iob1(tags)
    entities: list[Entity] = []
    start, label = -1, ""  # of the entity that is open; none if start is -1

    def close(stop: int) -> None:
        nonlocal start
        if start >= 0:
            entities.append(Entity(label, start, stop))
        start = -1

    has_ends = scheme in ("IOBES", "BILOU")
    for position, tag in enumerate(tags):
        parsed = parse(tag)
        if has_ends and parsed.prefix == "E" and start >= 0 and parsed.label == label:
            close(position + 1)
        elif parsed.prefix == "I" and start >= 0 and parsed.label == label:
            continue
        else:
            if has_ends:
                start = -1  # an entity without its end is none
            close(position)
            begins = parsed.prefix == "I" if scheme == "IO" else parsed.prefix in ("B", "S")
            if begins:
                start, label = position, parsed.label
            if parsed.prefix == "S":
                close(position + 1)
    if not has_ends:
        close(len(tags))
    return entities


def _strict_iob1(tags: Sequence[str]) -> list[Entity]:
    """In IOB1 a B that touches no entity of its type is illegal, and taken for O."""
    legal: list[str] = []
    for tag in tags:
        before = parse(legal[-1]) if legal else _NOTHING
        legal.append(tag if _may_follow(before, parse(tag), "IOB1") else OUTSIDE)
    return conlleval_entities(legal)


def conlleval_entities(tags: Sequence[str]) -> list[Entity]:
    """Returns the entities as the CoNLL-2000 script conlleval reads them, whatever the scheme.

    An entity begins at B and S, after E and S, and wherever the type changes. Example: `I-PER O B-LOC I-LOC I-PER`
    holds (PER, 0, 1), (LOC, 2, 4) and (PER, 4, 5).
    """
    entities: list[Entity] = []
    start, before = 0, _NOTHING
    for position, tag in enumerate([*tags, OUTSIDE]):
        parsed = parse(tag)
        goes_on = parsed.prefix in ("I", "E", "") and before.prefix in ("B", "I", "") and before.label == parsed.label
        if before.prefix != OUTSIDE and not goes_on:
            entities.append(Entity(before.label, start, position))
        if parsed.prefix != OUTSIDE and not goes_on:
            start = position
        before = parsed
    return entities


def tags_of(entities: Iterable[Entity], num_words: int, scheme: Scheme) -> list[str]:
    """Returns the tags of a sentence.

    Args:
        entities: in the order of the text, none over another.
        num_words: words in the sentence.
    """
    tags = [OUTSIDE] * num_words
    for label, start, stop in entities:
        for position in range(start, stop):
            tags[position] = f"{_prefix(position, start, stop, tags, label, scheme)}-{label}"
    return tags


def _prefix(position: int, start: int, stop: int, tags: list[str], label: str, scheme: Scheme) -> str:
    is_first, is_last = position == start, position == stop - 1
    if scheme == "IO":
        return "I"
    if scheme == "IOB1":
        return "B" if is_first and position > 0 and entity_type(tags[position - 1]) == label else "I"
    if scheme == "IOB2":
        return "B" if is_first else "I"
    inside, end, single = list(PREFIXES[scheme])[1:]
    if is_first:
        return single if is_last else "B"
    return end if is_last else inside


# --- recognition ------------------------------------------------------------------------------------------------


def recognise(sequences: Iterable[Sequence[str]]) -> Scheme | None:
    """Returns the scheme that tags are written in; None if their prefixes belong to none.

    Tags without any prefix beside O (`PER`, `LOC`) are IO. B and I alone are IOB2 where every entity begins with B,
    IOB1 where B stands only between entities of one type, and else whichever they break less often.
    """
    letters: set[str] = set()
    breaks: Counter[Scheme] = Counter()
    for tags in sequences:
        letters.update(_letter(tag) for tag in tags)
        for scheme in ("IOB2", "IOB1"):
            breaks[scheme] += len(illegal_positions(tags, scheme))
    letters.discard(OUTSIDE)
    if letters == {""}:
        return "IO"
    if "" in letters:
        return None
    if letters & set("LU"):
        return "BILOU" if not letters & set("ES") else None
    if letters & set("ES"):
        return "IOBES"
    if "B" not in letters:
        return "IO" if letters else "IOB2"
    return "IOB2" if breaks["IOB2"] <= breaks["IOB1"] else "IOB1"


def _letter(tag: str) -> str:
    """Returns a tag's own first letter, L and U kept apart from E and S; empty where it has no prefix."""
    return "" if not parse(tag).prefix else tag[0]
