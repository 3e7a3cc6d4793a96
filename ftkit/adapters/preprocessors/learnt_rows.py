"""Rows of tokens some of which bear loss: one after another, or laid together so that no batch is padded much."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.tokens import NO_LOSS, dataset_of, id_column
from ftkit.adapters.rows import Encoded, Packs

Ids = list[int]
CONVERSATION, TURN, PROMPT = "conversation", "turn", "prompt"
"""What may be cut off."""
TOKENS, LEARNT_TOKENS = "tokens", "learnt_tokens"
"""What is counted."""


class Learnt(NamedTuple):
    """Tokens that are read at once.

    Attributes:
        labels: the tokens that bear loss, NO_LOSS in the places of others; the first bears none, as nothing stands
            before it from which it could be told.
        num_bytes: of the text that bears loss, in UTF-8.
    """

    ids: Ids
    labels: Ids
    num_bytes: int


class LearntExample(NamedTuple):
    """What is learnt from one example.

    Attributes:
        rows: several of a document that is longer than the model reads; none where nothing of it fits.
        num_tokens: of the whole example, counted before it was brought into rows.
        cut: what was cut off.
    """

    rows: Sequence[Learnt]
    num_tokens: int
    cut: tuple[str, ...] = ()


def learnt(ids: Ids, labels: Ids, *, num_bytes: int) -> Learnt:
    """Returns a row whose first token bears no loss."""
    return Learnt(ids, [NO_LOSS, *labels[1:]], num_bytes)


def longest_run(labels: Iterable[int]) -> int:
    """Returns how many tokens one after another bear loss at most."""
    runs = (sum(1 for _ in run) for bears, run in itertools.groupby(labels, lambda label: label != NO_LOSS) if bears)
    return max(runs, default=0)


def encoded(found: Sequence[LearntExample]) -> Encoded:
    """Returns the rows of examples, one after another."""
    rows = [row for one in found for row in one.rows]
    counts = np.asarray([len(one.rows) for one in found], np.int64)
    columns = {"input_ids": [row.ids for row in rows], "labels": [row.labels for row in rows]}
    return Encoded(
        _dataset(columns, [row.num_bytes for row in rows]),
        np.asarray([len(row.ids) for row in rows], np.int64),
        first_rows=None if (counts == 1).all() else np.concatenate([[0], np.cumsum(counts)]),
        cut=_cut(found),
        counts=_counts(found, columns["labels"]),
    )


def encoded_packed(found: Sequence[LearntExample], capacity: int) -> Encoded:
    """Returns the rows of examples laid together, with positions that begin anew for each.

    Example: the rows [5, 6, 7] and [8, 9] in a capacity of 8 are `input_ids` [5, 6, 7, 8, 9] and `position_ids` [0,
    1, 2, 0, 1].

    Args:
        capacity: tokens of a row at most.
    """
    owned = [(number, row) for number, one in enumerate(found) for row in one.rows]
    packs = packs_of([len(row.ids) for _, row in owned], capacity)
    columns: dict[str, list[Ids]] = {"input_ids": [], "labels": [], "position_ids": []}
    for pack in packs:
        rows = [owned[place][1] for place in pack]
        columns["input_ids"].append([id_ for row in rows for id_ in row.ids])
        columns["labels"].append([label for row in rows for label in row.labels])
        columns["position_ids"].append([position for row in rows for position in range(len(row.ids))])
    return Encoded(
        _dataset(columns, [sum(owned[place][1].num_bytes for place in pack) for pack in packs]),
        np.asarray([len(ids) for ids in columns["input_ids"]], np.int64),
        packs=Packs([[owned[place][0] for place in pack] for pack in packs], len(found)),
        cut=_cut(found),
        counts=_counts(found, columns["labels"]),
    )


def _dataset(columns: Mapping[str, Sequence[Ids]], num_bytes: Sequence[int]) -> Any:
    found = {name: id_column(column) for name, column in columns.items()}
    return dataset_of(pa.table({**found, "num_bytes": pa.array(num_bytes, pa.int64())}))


def packs_of(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Returns which rows are laid together: each, longest first, where it leaves least room (arXiv 2107.02027).

    Example: the lengths 5, 3, 4, 2 in a capacity of 8 are [[0, 1], [2, 3]].

    Args:
        lengths: of the rows; one above `capacity` is alone.
    """
    room: list[tuple[int, int]] = []  # what is left in a pack, and its number; least first
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        place = bisect.bisect_left(room, (lengths[row], -1))
        left, number = room.pop(place) if place < len(room) else (capacity, len(found))
        if number == len(found):
            found.append([])
        found[number].append(row)
        bisect.insort(room, (left - lengths[row], number))
    return sorted(sorted(pack) for pack in found)


def _cut(found: Sequence[LearntExample]) -> dict[str, int]:
    return dict(Counter(what for one in found for what in one.cut))


def _counts(found: Sequence[LearntExample], labels: Sequence[Ids]) -> dict[str, int]:
    """Returns the tokens of the examples as they came, and those that bear loss in the rows as they are read."""
    return {
        TOKENS: sum(one.num_tokens for one in found),
        LEARNT_TOKENS: sum(len(row) - row.count(NO_LOSS) for row in labels),
    }
