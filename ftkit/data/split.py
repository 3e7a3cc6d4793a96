"""Holds out part of the training examples, for validation or for the test."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

from ftkit.data.group_split import grouped_draw
from ftkit.errors import DataError
from ftkit.types import ExampleT, label_names


def hold_out(
    examples: Sequence[ExampleT],
    fraction: float,
    seed: int,
    *,
    name: str = "validation",
    names_of: Callable[[ExampleT], Iterable[str]] = label_names,
) -> tuple[list[ExampleT], list[ExampleT]]:
    """Splits examples in two, with each label in both parts in about the same share.

    Examples with one label are stratified by it; numbers (regression), sets of labels and tagged sentences are drawn
    at random. Whatever the seed, every label and entity type keeps a training example: one whose turn it is stays in
    train if it is the last there of a name, and the next in turn is held out instead. Both parts keep the original
    order. Where examples have a `group`, whole groups are held out; see `ftkit.data.group_split`.

    The draw uses only `random.Random(seed).random()`, the one method whose sequence Python promises to keep
    between versions and platforms.

    Example: 6 rows of `a` and 4 of `b` at 0.5 give 3 + 2 rows to train on and 3 + 2 held out.

    Args:
        examples: the training examples.
        fraction: part to hold out, between 0 and 1.
        seed: the same seed and examples give the same split.
        name: of what is held out, for messages.
        names_of: an example -> the names of its labels, or of the entity types in it.

    Returns:
        What remains for training, and what was held out; neither is empty.

    Raises:
        DataError: there are too few examples to hold any out.
    """
    assert 0 < fraction < 1, f"the fraction is validated with the config; got {fraction}"
    generator = random.Random(seed)
    draws = [generator.random() for _ in examples]
    names = [tuple(dict.fromkeys(names_of(example))) for example in examples]
    if any(getattr(example, "group", None) is not None for example in examples):
        held_out = grouped_draw(examples, fraction, draws, names, name=name)
    else:
        held_out = _stratified_draw(examples, fraction, draws, names, name)
    return (
        [example for position, example in enumerate(examples) if position not in held_out],
        [example for position, example in enumerate(examples) if position in held_out],
    )


def _stratified_draw(
    examples: Sequence[Any],
    fraction: float,
    draws: Sequence[float],
    names: Sequence[Collection[str]],
    name: str,
) -> set[int]:
    """Returns the positions to hold out, of every label its share.

    Raises:
        DataError: there are too few examples to hold any out.
    """
    strata: dict[str | None, list[int]] = {}
    for position, example in enumerate(examples):
        label = getattr(example, "label", None)
        label = label if isinstance(label, str) else None
        strata.setdefault(label, []).append(position)
    for members in strata.values():
        members.sort(key=draws.__getitem__)
    num_held_out = max(1, math.floor(len(examples) * fraction + 0.5))
    held_out: set[int] = set()
    in_train = Counter(label for labels in names for label in labels)
    quotas = _quotas(list(strata.values()), fraction, num_held_out, draws)
    for members, quota in zip(strata.values(), quotas, strict=True):
        held_out.update(_taken(members, quota, names, in_train))
    if not held_out:
        raise _nothing_to_hold_out(len(examples), len(in_train), fraction, name)
    return held_out


def _taken(
    members: Sequence[int], quota: int, names: Sequence[Collection[str]], in_train: Counter[str]
) -> Iterator[int]:
    """Yields the first members that train can spare, as many as the quota.

    Example: of rows in turn with the names {a}, {a, rare}, {a} and {a}, and a quota of 2: the first and the third.

    Args:
        in_train: name -> the examples that train has of it; those that are yielded are subtracted.
    """
    for position in members:
        if quota and all(in_train[label] > 1 for label in names[position]):
            quota -= 1
            in_train.subtract(names[position])
            yield position


def _quotas(strata: list[list[int]], fraction: float, total: int, draws: Sequence[float]) -> list[int]:
    """Returns how many members of each stratum to hold out: its share, by the largest remainder method.

    Ties are broken by the strata's own random draws, so that no label is preferred for coming first.
    """
    quotas = [min(math.floor(len(members) * fraction), len(members) - 1) for members in strata]
    by_remainder = sorted(
        range(len(strata)),
        key=lambda stratum: (quotas[stratum] - len(strata[stratum]) * fraction, draws[strata[stratum][0]]),
    )
    missing = total - sum(quotas)
    for stratum in by_remainder:
        if missing > 0 and quotas[stratum] < len(strata[stratum]) - 1:
            quotas[stratum] += 1
            missing -= 1
    return quotas


def _nothing_to_hold_out(num_examples: int, num_labels: int, fraction: float, name: str) -> DataError:
    return DataError(
        f"data.{name}: {fraction} of train leaves nothing to hold out: train has {num_examples} "
        f"row(s) and {num_labels} label(s), and each label keeps at least one row for training.\n"
        f"Fix: add rows, or name a {name} file."
    )
