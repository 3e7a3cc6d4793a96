"""Holds out whole groups, such as all recordings of a speaker, and finds groups on both sides of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data import columns
from ftkit.data.problems import Problems
from ftkit.errors import DataError, name_list
from ftkit.types import Split

if TYPE_CHECKING:
    import numpy as np

    from ftkit.data.row_names import RowNames

FAR_FROM_FRACTION = 0.5
"""A share that differs from the fraction by half of it or more is told: groups are too large or too few."""


def grouped_draw(
    groups: Sequence[str | None],
    fraction: float,
    draws: np.ndarray,
    names: RowNames,
    *,
    name: str = "validation",
) -> set[int]:
    """Returns the positions to hold out: whole groups, near the fraction, with each label in about the same share.

    Groups come up in random order. A group is held out if that brings the held-out shares nearer to the fraction, and
    no label loses its last training example: the share of all examples, and the mean over the labels of each label's
    share, count alike. Where every group is too large, the one that comes nearest is held out. An example without a
    group is a group of its own.

    Example: speakers `a` (4 rows), `b` (2), `c` (2) and `d` (2) at 0.2, drawn in the order c, a, d, b: `c` is held
    out (2 of 10 rows), and every other group would lead away from 0.2.

    Args:
        groups: of each example.
        draws: a random number for each example; the order of the groups comes from their first examples' numbers.
        names: of the labels of each example.

    Raises:
        DataError: there is one group only, or every group holds all examples of some label.
    """
    members = _members(groups)
    counts_GL = _label_counts(names, list(members.values()))
    totals_L = counts_GL.sum(axis=0)
    order = sorted(range(len(members)), key=lambda group: draws[list(members.values())[group][0]])
    free = [group for group in order if (counts_GL[group] < totals_L)[counts_GL[group] > 0].all()]
    if len(members) < 2 or not free:
        raise _no_group_to_hold_out(len(members), fraction, name)
    chosen = _choose(counts_GL, totals_L, free, fraction)
    positions = list(members.values())
    return {position for group in chosen for position in positions[group]}


def _choose(counts_GL: np.ndarray, totals_L: np.ndarray, order: Sequence[int], fraction: float) -> list[int]:
    """Returns the groups to hold out, one pass over the groups in the given order."""
    held_L = 0 * totals_L
    distance = _distance(held_L, totals_L, fraction)
    chosen: list[int] = []
    for group in order:
        with_group_L = held_L + counts_GL[group]
        nearer = _distance(with_group_L, totals_L, fraction)
        if nearer < distance and (with_group_L < totals_L)[counts_GL[group] > 0].all():
            held_L, distance = with_group_L, nearer
            chosen.append(group)
    return chosen or [min(order, key=lambda group: _distance(counts_GL[group], totals_L, fraction))]


def _distance(held_L: np.ndarray, totals_L: np.ndarray, fraction: float) -> float:
    """Returns how far held-out shares are from the fraction; the first column counts all examples."""
    squares_L = (held_L / totals_L - fraction) ** 2
    return float(squares_L[0] + (squares_L[1:].mean() if len(squares_L) > 1 else 0.0))


def _members(groups: Sequence[str | None]) -> dict[Any, list[int]]:
    """Returns group -> positions of its examples, in the order of their first examples."""
    members: dict[Any, list[int]] = {}
    for position, group in enumerate(groups):
        # A tuple cannot be a group's name, which is text.
        members.setdefault((position,) if group is None else group, []).append(position)
    return members


def _label_counts(names: RowNames, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns the examples of each group, in all and by label: (G, 1 + L)."""
    import numpy as np  # only here: it would make every command that reads data slower to start

    places: dict[int, int] = {}
    cells: list[tuple[int, int]] = []
    for group, positions in enumerate(groups):
        for position in positions:
            labels = names[position].tolist()
            cells += [(group, 0), *((group, places.setdefault(label, len(places) + 1)) for label in labels)]
    counts = np.zeros((len(groups), len(places) + 1), np.int64)
    np.add.at(counts, tuple(np.array(cells).T), 1)
    return counts


def _no_group_to_hold_out(num_groups: int, fraction: float, name: str) -> DataError:
    why = "there is one group only" if num_groups < 2 else "every group holds all rows of some label"
    return DataError(
        f"data.{name}: {fraction} of train leaves no group to hold out: {why}.\n"
        "Fix: name a validation file, add rows of other groups, or leave out data.group."
    )


def check_groups(splits: Mapping[str, Split], column: str, fraction: float | None, problems: Problems) -> None:
    """Reports rows of train without a group, groups on both sides of a split, and a share far from the fraction.

    Args:
        splits: `train`, and others where there are any.
        column: where the groups are, for messages.
        fraction: of train that was to be held out for validation, or None.
        problems: what is found is added here.
    """
    train = splits.get("train")
    if train is None:
        return
    missing = list(columns.find(train.examples, "group", _is_missing))
    if len(missing) == len(train):
        problems.error(
            f"train: no row says its group: column {column!r} is empty or not there",
            remedy="correct data.group, or leave it out",
        )
        return
    for example in missing:
        problems.error(
            f"train: the group is missing (column {column!r})",
            where=train.where(example),
            remedy="fill it in, correct data.group, or leave data.group out",
        )
    if fraction is not None and "validation" in splits:
        _check_share(train, splits["validation"], fraction, problems)
    for split in splits.values():
        if split is not train:
            _check_shared_groups(train, split, column, problems)


def _check_share(train: Split, validation: Split, fraction: float, problems: Problems) -> None:
    share = len(validation) / (len(train) + len(validation))
    if abs(share - fraction) >= FAR_FROM_FRACTION * fraction:
        num_groups = len(set(columns.column(validation.examples, "group")))
        problems.warn(
            f"validation holds {share:.1%} of train instead of {fraction:.1%}: groups stay whole, and it is "
            f"{num_groups:,} of them",
            remedy="add groups, or name a validation file",
        )


def _check_shared_groups(train: Split, split: Split, column: str, problems: Problems) -> None:
    trained_on = set(columns.column(train.examples, "group")) - {None}
    shared = list(columns.find(split.examples, "group", trained_on.__contains__))
    if shared:
        names = list(dict.fromkeys(str(example.group) for example in shared))
        problems.warn(
            f"leak: {len(shared):,} of {len(split):,} rows of {split.name} share their {column} with rows of train: "
            f"{name_list(names, limit=5)}",
            where=split.where(shared[0]),
            remedy=f"remove them from train or from {split.name}; its scores tell nothing of another {column}",
        )


def _is_missing(group: str | None) -> bool:
    return group is None
