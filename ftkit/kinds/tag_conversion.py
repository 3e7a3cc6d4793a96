"""Tags and spans as files have them -> tags in the scheme that a run learns."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ftkit.data.cells import shown
from ftkit.data.check import Problems
from ftkit.data.columns import collected
from ftkit.data.label_cells import MAX_NAME
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.kinds.task import Task
from ftkit.tag_schemes import (
    OUTSIDE,
    PLAIN,
    PREFIXES,
    Entity,
    Scheme,
    conlleval_entities,
    entity_type,
    illegal_positions,
    parse,
    recognise,
    strict_entities,
    tags_of,
)
from ftkit.types import CharSpan, Split, TokenExample

LearntScheme = Literal["IO", "IOB2", "IOBES", "BILOU", "none"]
DEFAULT_SCHEME: LearntScheme = "IOB2"

Tags = tuple[str, ...]


def types_of(example: TokenExample) -> tuple[str, ...]:
    """Returns the entity types of a sentence as it was read: of its tags, whatever their scheme, or of its spans."""
    if example.spans is not None:
        return tuple(span.label for span in example.spans)
    found = (entity_type(str(tag)) for tag in example.tags or ())
    return tuple(name for name in found if name is not None)


def normalize_tags(
    splits: Mapping[str, Split], task: Task, data: Any, problems: Problems
) -> tuple[dict[str, Split], Any]:
    """Turns what the files say into tags of the learnt scheme.

    The scheme of the files is the declared one, else recognised over all splits. Tags that break it are reported.
    They stay as they are, so that a score is that of the file, unless `data.repair_tags` says what they become.

    Returns:
        The splits, and the data section with both schemes filled in: a finished run records them.
    """
    declared = data.labels if data.labels is not None else task.labels
    learnt = data.tag_scheme or DEFAULT_SCHEME
    if learnt == PLAIN:
        _refuse_scheme_keys(data)
    named = {
        name: _with_tags(split, lambda example, split=split: _names(example, split, declared, learnt, problems))  # type: ignore[misc]
        for name, split in splits.items()
    }
    if learnt == PLAIN:
        return named, data
    source = data.source_tag_scheme or _recognised(splits, named, problems)
    data = data.model_copy(update={"tag_scheme": learnt, "source_tag_scheme": source})
    if source is None:  # only spans, or nothing that can be read
        return named, data
    converted = {
        name: _with_tags(split, lambda example, split=split: _converted(example, split, data, problems))  # type: ignore[misc]
        for name, split in named.items()
    }
    return converted, data


def _refuse_scheme_keys(data: Any) -> None:
    for key in ("source_tag_scheme", "repair_tags"):
        if getattr(data, key) is not None:
            raise ConfigError(f"data.{key}: with data.tag_scheme: none tags have no scheme. Leave it out.")


def _with_tags(split: Split, tags_for: Callable[[TokenExample], Tags | None]) -> Split:
    examples = (dataclasses.replace(example, tags=tags_for(example)) for example in split.examples)
    return dataclasses.replace(split, examples=collected(split.examples, examples))


# --- what a row says -> tag names -----------------------------------------------------------------------------


def _names(
    example: TokenExample, split: Split, declared: Sequence[str] | None, learnt: LearntScheme, problems: Problems
) -> Tags | None:
    """Returns one tag name for each word, of a row that has tags or spans; None with the problem reported."""
    if example.spans is not None:
        if learnt == PLAIN:
            problems.error(
                f"{split.name}: a text has spans, and data.tag_scheme: none needs a tag for each word",
                where=split.where(example),
                remedy="give words and tags, or leave data.tag_scheme out",
            )
            return None
        return _tags_of_spans(example, split, learnt, problems)
    if example.tags is None:
        if split.name != "input":
            problems.error(
                f"{split.name}: the tags are missing",
                where=split.where(example),
                remedy="fill in a tag for each word, or delete the row",
            )
        return None
    if len(example.tags) != len(example.words):
        problems.error(
            f"{split.name}: {len(example.words)} words but {len(example.tags)} tags",
            where=split.where(example),
            remedy="give each word one tag",
            kind=f"{split.name}: words and tags differ in number",
        )
        return None
    tags = [_name(tag, declared) for tag in example.tags]
    for position, (tag, name) in enumerate(zip(example.tags, tags, strict=True)):
        if name is None:
            _report_no_name(tag, f"{split.where(example)}, word {position + 1}", split, declared, problems)
    return None if None in tags else tuple(tags)  # type: ignore[arg-type]


def _name(tag: Any, declared: Sequence[str] | None) -> str | None:
    """Returns a tag's name, or None where it has none; integers are positions in `data.labels`."""
    if isinstance(tag, str):
        return (tag.strip() or None) if len(tag) <= MAX_NAME else None
    is_index = isinstance(tag, int) and not isinstance(tag, bool) and declared is not None
    return declared[tag] if is_index and 0 <= tag < len(declared) else None  # type: ignore[arg-type, index]


def _report_no_name(tag: Any, where: str, split: Split, declared: Sequence[str] | None, problems: Problems) -> None:
    if isinstance(tag, int) and not isinstance(tag, bool):
        if declared is None:
            remedy = "list the tag names in their order, such as data.labels: [O, B-PER, I-PER]"
            message = f"{split.name}: tags are numbers, and nothing says which names they stand for"
        else:
            remedy = "correct the number, or complete data.labels"
            message = f"{split.name}: the tag {tag} is none of the {len(declared)} in data.labels"
        problems.error(message, where=where, remedy=remedy)
    else:
        problems.error(
            f"{split.name}: a word has no tag, but {shown(tag)}",
            where=where,
            remedy=f"write a tag such as B-PER, or {OUTSIDE} where there is no entity",
            kind=f"{split.name}: no tag",
        )


def _tags_of_spans(example: TokenExample, split: Split, learnt: Scheme, problems: Problems) -> Tags | None:
    """Returns the tags of a text's spans; None, and the problem reported, where a span cannot be one of words."""
    starts = {start: word for word, (start, _) in enumerate(example.offsets or ())}
    stops = {end: word + 1 for word, (_, end) in enumerate(example.offsets or ())}
    text, entities, sound, before = example.text or "", [], True, None
    for span in example.spans or ():
        start, end = _without_outer_space(text, span)
        problem = _span_problem(text, span, before, start in starts and end in stops)
        before = span if before is None or span.end > before.end else before
        if problem is None:
            entities.append(Entity(span.label, starts[start], stops[end]))
            continue
        sound = False
        message, remedy = problem
        shown = f"{span.label} {span.start} to {span.end} ({text[max(span.start, 0) : max(span.end, 0)]!r})"
        problems.error(
            f"{split.name}: the span {shown} {message}",
            where=f"{split.where(example)}, id {example.id!r}",
            remedy=remedy,
            kind=f"{split.name}: span {message}",
        )
    return tuple(tags_of(entities, len(example.words), learnt)) if sound else None


def _without_outer_space(text: str, span: CharSpan) -> tuple[int, int]:
    """Returns a span's borders without the white space that a mouse drags along."""
    start, end = span.start, span.end
    while 0 <= start < end <= len(text) and text[start].isspace():
        start += 1
    while 0 <= start < end <= len(text) and text[end - 1].isspace():
        end -= 1
    return start, end


def _span_problem(text: str, span: CharSpan, before: CharSpan | None, on_words: bool) -> tuple[str, str] | None:
    """Returns what is wrong with a span and the remedy, or None."""
    if not 0 <= span.start < span.end <= len(text):
        return (
            f"lies outside the text of {len(text)} characters",
            "correct start and end, counted in characters from 0",
        )
    if not text[span.start : span.end].strip():
        return "holds nothing but white space", "correct or delete it"
    if before is not None and span.start < before.end:
        return f"overlaps {before.label} {before.start} to {before.end}", "keep one of the two: a word has one tag"
    if not on_words:
        return "splits a word", "move its borders to where words begin and end; the end is not included"
    return None


_SLIPS = (re.compile(r"[bieslu]-."), re.compile(r"[bieslu][_:/.].", re.IGNORECASE), re.compile(r".+[-_][BIESLU]$"))
"""How tags are written that mean a scheme, and are none of it: `b-PER`, `B_PER`, `PER-B`."""


# --- tag names -> the learnt scheme -----------------------------------------------------------------------------


def _recognised(splits: Mapping[str, Split], named: Mapping[str, Split], problems: Problems) -> Scheme | None:
    """Returns the scheme of all rows that came with tags; None, reported, if it is none that is known."""
    sequences = [example.tags for split in named.values() for example in split.examples if example.spans is None]
    sequences = [tags for tags in sequences if tags]
    if not sequences:
        return None
    found = recognise(sequences)
    names = list(dict.fromkeys(tag for tags in sequences for tag in tags))
    has_outside = OUTSIDE in names or any(parse(name).prefix for name in names)
    bare = [name for name in names if not parse(name).prefix]
    if any(bare and all(map(slip.match, bare)) for slip in _SLIPS):
        problems.error(
            f"the tags do not begin with a capital of a scheme and a hyphen: {name_list(bare, limit=4)}",
            where=next(iter(splits.values())).source,
            remedy="write B-PER, not b-PER, B_PER or PER-B; if these are whole names of types, "
            "data.source_tag_scheme: IO",
        )
        return None
    if found is not None and has_outside:
        return found
    message = f"the tags are in no scheme that is known: {name_list(names, limit=8)}"
    if not has_outside:
        message = f"the tags know no {OUTSIDE} (no entity) and no prefix such as B-: {name_list(bare, limit=8)}"
    problems.error(
        message,
        where=next(iter(splits.values())).source,
        remedy="check data.columns.tags; if tags stand for themselves, as parts of speech do, say "
        "data.tag_scheme: none; else a tag is O, or a prefix of IOB1, IOB2, IOBES, BILOU or IO, a hyphen and a "
        "type, such as B-PER",
    )
    return None


def _converted(example: TokenExample, split: Split, data: Any, problems: Problems) -> Tags | None:
    """Returns a row's tags in the learnt scheme; tags that break their own scheme are reported."""
    if example.tags is None or example.spans is not None:
        return example.tags
    source, learnt = data.source_tag_scheme, data.tag_scheme
    assert source is not None
    assert learnt is not None
    tags: Sequence[str] = example.tags
    if source == "IO":
        tags = [tag if parse(tag).prefix else f"I-{tag}" for tag in tags]
    wrong = illegal_positions(tags, source)
    can_stay = source == learnt and all(parse(tags[position]).prefix for position in wrong)
    for position in wrong:
        _report_illegal(tags, position, example, split, data, can_stay, problems)
    if data.repair_tags is None and wrong:
        return tuple(tags) if can_stay else None
    if source == learnt and not wrong:
        return tuple(tags)
    entities = conlleval_entities(tags) if data.repair_tags == "begin" else strict_entities(tags, source)
    if learnt == "IO":
        _report_merged(entities, example, split, problems)
    return tuple(tags_of(entities, len(tags), learnt))


def _report_illegal(
    tags: Sequence[str],
    position: int,
    example: TokenExample,
    split: Split,
    data: Any,
    can_stay: bool,
    problems: Problems,
) -> None:
    before = tags[position - 1] if position else "the sentence's beginning"
    prefix = tags[position].partition("-")[0]
    known = prefix == OUTSIDE or prefix in PREFIXES[data.source_tag_scheme]
    hint = (
        "" if known else did_you_mean(tags[position], {f"{letter}-{parse(tags[position]).label}" for letter in "BI"})
    )
    message = f"{split.name}: the tag {tags[position]!r} after {before!r} breaks {data.source_tag_scheme}.{hint}"
    where = f"{split.where(example)}, word {position + 1} ({example.words[position]!r})"
    kind = f"{split.name}: illegal tag"
    if data.repair_tags is not None:
        rule = "begins an entity" if data.repair_tags == "begin" else "is taken for no entity"
        problems.warn(message, where=where, remedy=f"data.repair_tags: {data.repair_tags}, so it {rule}", kind=kind)
    elif can_stay:
        remedy = (
            "correct it, or say data.repair_tags: begin (it begins an entity) or outside (it is none); it stays as is"
        )
        problems.warn(message, where=where, remedy=remedy, kind=kind)
    else:
        remedy = (
            "correct it, declare data.source_tag_scheme if another is meant, or say data.repair_tags: begin "
            "(it begins an entity, as conlleval reads it) or outside (it is none)"
        )
        problems.error(message, where=where, remedy=remedy, kind=kind)


def _report_merged(entities: Sequence[Entity], example: TokenExample, split: Split, problems: Problems) -> None:
    for one, other in itertools.pairwise(entities):
        if one.stop == other.start and one.label == other.label:
            problems.warn(
                f"{split.name}: two entities of one type touch; in the scheme IO they are one",
                where=f"{split.where(example)}, word {other.start + 1}",
                remedy="data.tag_scheme: IOB2 keeps them apart",
            )
