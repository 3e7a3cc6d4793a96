"""What is wrong with tagged words: by file, row and word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ftkit.data.check import Problems, check_size
from ftkit.data.columns import shared_places
from ftkit.data.lookalikes import alike, warn_of_lookalikes
from ftkit.errors import did_you_mean, name_list
from ftkit.kinds.task import Task
from ftkit.tag_schemes import OUTSIDE, entity_type, parse
from ftkit.types import LabelSpace, Split

_COUNTED = 100
"""Sentences by which it is judged whether their words are numbers of words."""


def check(splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: Any, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    for split in splits.values():
        check_size(split, problems)
        check_inputs(split, problems)
        check_known_labels(split, labels, problems)
    train = splits.get("train")
    if train is None:
        return
    if len(labels) == 1:
        is_outside = labels.names == (OUTSIDE,)
        problems.error(
            "train has no entity: every tag is O" if is_outside else f"train has one tag only, {labels.names[0]!r}",
            where=train.source,
            remedy=f"check data.columns.tags, or add sentences with {'entities' if is_outside else 'other tags'}",
        )
    _check_are_words(train, problems)
    _check_types(train, labels, problems)
    _check_leaks(train, [split for split in splits.values() if split is not train], problems)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports what cannot be read as words, and sentences without any."""
    for example in split.examples:
        if not example.words:
            problems.error(
                f"{split.name}: the sentence is empty",
                where=split.where(example),
                remedy="fill in its words, or delete the row",
            )
        for position, word in enumerate(example.words):
            if not isinstance(word, str) or not word:
                what = "is empty" if word == "" else f"is no text, but {word!r}"
                problems.error(
                    f"{split.name}: a word {what}",
                    where=f"{split.where(example)}, word {position + 1}",
                    remedy="write every word as text, or delete it with its tag",
                    kind=f"{split.name}: {'empty' if word == '' else 'no'} word",
                )


def check_known_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    """Reports tags of rows to be trained on or scored that the model has no output for."""
    types = list(dict.fromkeys(name for tag in labels.names if (name := entity_type(tag)) is not None))
    for example in split.examples:
        for position, tag in enumerate(example.tags or ()):
            if tag not in labels:
                name = parse(tag).label
                problems.error(
                    f"{split.name}: the tag {tag!r} is none that the run knows.{did_you_mean(name, types)}",
                    where=f"{split.where(example)}, word {position + 1}",
                    remedy="correct the tag, or train with all types listed under data.labels; "
                    f"known: {name_list(types)}",
                    kind=f"{split.name}: unknown tag {tag!r}",
                )


def _check_are_words(train: Split, problems: Problems) -> None:
    """Reports words that only count: the first column of a file that numbers its words, as that of CoNLL 2009."""
    firsts = [example.words for example in islice(train.examples, _COUNTED)]
    if any(len(words) > 2 for words in firsts) and all(map(_only_count, firsts)):
        problems.error(
            f"train: the words only count: {name_list(firsts[0], limit=3)}",
            where=train.where(train.examples[0]),
            remedy="name the column of words, such as data.columns: {tokens: 1}",
        )


def _only_count(words: Sequence[Any]) -> bool:
    numbers = [int(word) for word in words if isinstance(word, str) and word.isdecimal() and len(word) < 10]
    return len(numbers) == len(words) > 0 and numbers == list(range(numbers[0], numbers[0] + len(words)))


def _check_types(train: Split, labels: LabelSpace, problems: Problems) -> None:
    """Warns of types that are rare, and of those that look alike."""
    counts: Counter[str] = Counter()
    for example in train.examples:
        counts.update({name for tag in example.tags or () if (name := entity_type(tag)) is not None})
    for name, count in counts.items():
        if count == 1 and not train.is_sample:
            problems.warn(
                f"types with a single sentence in train, such as {name!r}",
                remedy="add sentences, or merge the type into another",
                kind="rare type",
            )
    known = (name for tag in labels.names if (name := entity_type(tag)) is not None)
    for names in alike([*counts, *known]):
        warn_of_lookalikes({name: counts[name] for name in names}, problems, noun="types", where=train.source)


def _check_leaks(train: Split, others: Sequence[Split], problems: Problems) -> None:
    """A sentence that is both trained on and scored makes the score too good."""
    for split in others:
        shared = shared_places(split.examples, train.examples)
        if len(shared):
            problems.warn(
                f"leak: {len(shared):,} of {len(split):,} sentences of {split.name} are also in train, word for word",
                where=split.where(split.examples[int(shared[0])]),
                remedy=f"remove them from train or from {split.name}; its scores are too good with them",
            )
