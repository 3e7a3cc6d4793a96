"""Holds out part of the training examples, for validation or for the test."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data.columns import column, taken
from ftkit.data.group_split import grouped_draw
from ftkit.data.row_names import RowNames
from ftkit.errors import DataError
from ftkit.types import ExampleT, label_names, names_in

if TYPE_CHECKING:
    import numpy as np


def hold_out(
    examples: Sequence[ExampleT],
    fraction: float,
    seed: int,
    *,
    name: str = "validation",
    names_of: Callable[[ExampleT], Iterable[str]] = label_names,
) -> tuple[Sequence[ExampleT], Sequence[ExampleT]]:
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
    import numpy as np  # only here: it would make every command that reads data slower to start

    generator = random.Random(seed)
    draws = np.fromiter((generator.random() for _ in range(len(examples))), float, len(examples))
    names = RowNames(_names(examples, names_of))
    if any(group is not None for group in column(examples, "group")):
        held_out = list(grouped_draw(list(column(examples, "group")), fraction, draws, names, name=name))
    else:
        held_out = _stratified_draw(_strata(examples), fraction, draws, names, name)
    is_held_out = np.zeros(len(examples), bool)
    is_held_out[held_out] = True
    return taken(examples, np.flatnonzero(~is_held_out)), taken(examples, np.flatnonzero(is_held_out))


def _names(examples: Sequence[ExampleT], names_of: Callable[[ExampleT], Iterable[str]]) -> Iterator[Iterable[str]]:
    if names_of is label_names:  # what has nothing but a label need not be an example
        return map(names_in, column(examples, "label"))
    return map(names_of, examples)


def _strata(examples: Sequence[Any]) -> np.ndarray:
    """Returns a number for each example that those share which have the same one label, (N,)."""
    import numpy as np

    numbers: dict[str | None, int] = {}
    labels = (label if isinstance(label, str) else None for label in column(examples, "label"))
    return np.fromiter((numbers.setdefault(label, len(numbers)) for label in labels), np.int32, len(examples))


def _stratified_draw(strata: np.ndarray, fraction: float, draws: np.ndarray, names: RowNames, name: str) -> list[int]:
    """Returns the positions to hold out, of every label its share.

    Raises:
        DataError: there are too few examples to hold any out.
    """
    import numpy as np

    by_stratum = np.lexsort((draws, strata))
    members = np.split(by_stratum, np.flatnonzero(np.diff(strata[by_stratum])) + 1) if len(strata) else []
    num_held_out = max(1, math.floor(len(strata) * fraction + 0.5))
    held_out: list[int] = []
    in_train = names.counts()
    num_names = len(in_train)
    quotas = _quotas(members, fraction, num_held_out, draws)
    for stratum, quota in zip(members, quotas, strict=True):
        held_out.extend(_taken(stratum, quota, names, in_train))
    if not held_out:
        raise _nothing_to_hold_out(len(strata), num_names, fraction, name)
    return held_out


def _taken(members: np.ndarray, quota: int, names: RowNames, in_train: np.ndarray) -> Iterator[int]:
    """Yields the first members that train can spare, as many as the quota.

    Example: of rows in turn with the names {a}, {a, rare}, {a} and {a}, and a quota of 2: the first and the third.

    Args:
        in_train: the examples that train has of each name; those that are yielded are subtracted.
    """
    for position in members:
        if not quota:
            return
        found = names[position]
        if (in_train[found] > 1).all():
            quota -= 1
            in_train[found] -= 1
            yield int(position)


def _quotas(strata: Sequence[np.ndarray], fraction: float, total: int, draws: np.ndarray) -> list[int]:
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
