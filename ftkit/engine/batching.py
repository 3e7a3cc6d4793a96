"""Batches of rows drawn at random, computed in parts of near-equal costs, in an order made by (seed, epoch) alone.

What a row costs is the number of positions that it takes in a model's body: tokens, patches, frames. A batch is as
wide as its costliest row; the rest is padding.

The rows of an optimizer step are a fair sample of the data, as in the plain Trainer: batches of one length would be
biased samples, and cost accuracy (banking77, MiniLM: 0.919 and 0.919 against 0.931 and 0.927). Padding is saved
inside the step instead. Its rows are sorted by length and computed in parts whose gradients are summed, which gives
the same gradient as the whole batch. Lengths 3 9 4 8 as one batch make 4 x 9 = 36 tokens, 12 of them padding; in the
parts {3 4} and {8 9} they make 2 x 4 + 2 x 9 = 26, of which 2 are padding. It is worth it where one more part costs
less than those 10 tokens.

Every example appears exactly once an epoch. Every rank gets the same number of batches, and every epoch has the
same number, so a run can be resumed at any step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from ftkit.errors import DataError

# What one more forward and backward pass costs on a CPU, in tokens: summing the gradients of all parameters once
# more. MiniLM on 2 cores, texts a second: 16 gave 102, 32 and 64 gave 109, 128 gave 105, one part 47.
PART_COST = 48.0


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may be. One example longer than `max_cost` makes a batch of its own.

    Attributes:
        max_rows: examples in a batch.
        max_cost: examples x longest of them, padding included.
        batch_cost: what one more batch costs, in positions: so much padding is borne rather than begin another.
            Infinite where batches are to be as full as they may.
    """

    max_rows: float
    max_cost: int
    batch_cost: float = math.inf


@dataclass(frozen=True)
class StepSize:
    """What one rank computes before the optimizer, or gradient accumulation, moves on: a batch.

    Whichever of `rows` and `cost` gives more batches applies; either may be None. Batches are equal shares of it, so
    none is a small remainder: 100 examples in batches of 32 are four times 25.

    Attributes:
        rows: examples in a batch, at most; batches differ by one.
        cost: positions in a batch on average, at most, padding not counted.
        max_cost_at_once: padded positions in a part, at most, unless one example takes more; it bounds the memory that
            activations need.
        part_cost: what one more part costs, in positions; infinite where parts are only made for memory's sake.
    """

    rows: int | None
    cost: int | None
    max_cost_at_once: float
    part_cost: float = PART_COST


def cut(costs: np.ndarray, order: np.ndarray, limits: BatchLimits) -> list[np.ndarray]:
    """Cuts an order of rows into batches, each as full as the limits allow: for evaluation, longest rows apart.

    Args:
        costs: positions of each row, (N,).
        order: row indices, (N,).
    """
    batches, start, longest = [], 0, 0
    for stop, length in enumerate(costs[order].tolist()):
        longest = max(longest, length)
        num_rows = stop + 1 - start
        if start < stop and (num_rows > limits.max_rows or num_rows * longest > limits.max_cost):
            batches.append(order[start:stop])
            start, longest = stop, length
    if len(order):
        batches.append(order[start:])
    return batches


def num_batches(costs: np.ndarray, size: StepSize, *, multiple_of: int = 1) -> int:
    """Returns how many batches every epoch has: a multiple for the ranks; 0 where there are fewer rows than ranks.

    Args:
        costs: positions of each row, (N,).
    """
    num_rows = len(costs)
    count = min(max(1, *_counts(costs, size)), num_rows)
    rounded = math.ceil(count / multiple_of) * multiple_of
    return rounded if rounded <= num_rows else num_rows // multiple_of * multiple_of


def _counts(costs: np.ndarray, size: StepSize) -> tuple[int, int]:
    """Returns the numbers of batches that the rows ask for, and the tokens; 0 where they are not limited."""
    by_rows = math.ceil(len(costs) / size.rows) if size.rows else 0
    by_cost = math.ceil(int(costs.sum()) / size.cost) if size.cost else 0
    return by_rows, by_cost


def plan_epoch(costs: np.ndarray, size: StepSize, *, seed: int, epoch: int, multiple_of: int = 1) -> list[np.ndarray]:
    """Returns the batches of one epoch, as row indices: a random order, cut into equal shares of rows or tokens.

    Args:
        costs: positions of each row, (N,).
        multiple_of: the number of batches is a multiple of it.
    """
    count = num_batches(costs, size, multiple_of=multiple_of)
    order = np.random.default_rng([seed, epoch]).permutation(len(costs))
    by_rows, by_cost = _counts(costs, size)
    if by_cost > by_rows:
        middles = np.cumsum(costs[order]) - costs[order] / 2
        bounds = np.searchsorted(middles, np.arange(1, count) * costs.sum() / count)
        if np.all(np.diff([0, *bounds, len(order)]) > 0):  # a very long row can take two shares
            return np.split(order, bounds)
    return np.array_split(order, count)


def parts(costs: Sequence[int] | np.ndarray, size: StepSize) -> list[np.ndarray]:
    """Splits a batch into parts of near-equal costs, so that padding and the number of parts together cost least.

    Args:
        costs: positions of each row of the batch, (B,).

    Returns:
        Indices into the batch, part by part, short rows first.
    """
    order = np.argsort(costs, kind="stable")
    widths = np.asarray(costs)[order].tolist()
    # An infinite cost makes as few parts as memory allows and, among those, the least padded: so does any cost above
    # that of all padding.
    part_cost = min(size.part_cost, len(widths) * widths[-1] + 1)
    bounds = cheapest_split(widths, widths, part_cost, at_once=size.max_cost_at_once)
    return np.split(order, bounds)


def cheapest_split(
    widths: Sequence[int], row_costs: Sequence[float], part_cost: float, *, at_once: float = math.inf
) -> list[int]:
    """Returns where to cut rows sorted by width into parts, so that all parts together cost least.

    Args:
        widths: tokens of each row, (B,), ascending.
        row_costs: what each row of a part costs if this is its widest, (B,).
        part_cost: what a part costs beside its rows.
        at_once: rows x widest of a part, at most, unless it is one row.
    """
    sizes = np.arange(len(widths), 0, -1)
    # cheapest[j]: cost of the j shortest rows; the last of their parts begins at begin[j].
    cheapest, begin = np.zeros(len(widths) + 1), np.zeros(len(widths) + 1, np.int64)
    for stop, (width, row_cost) in enumerate(zip(widths, row_costs, strict=True), start=1):
        num_fitting = int(min(stop, max(1, at_once / width)))
        costs = cheapest[stop - num_fitting : stop] + sizes[-num_fitting:] * row_cost + part_cost
        best = int(np.argmin(costs))
        cheapest[stop], begin[stop] = costs[best], stop - num_fitting + best
    bounds, stop = [], int(begin[-1])
    while stop:
        bounds.append(stop)
        stop = int(begin[stop])
    return bounds[::-1]


class RowOfEpoch(NamedTuple):
    """A row that is trained on in one epoch; what is drawn for it at random depends on both."""

    row: int
    epoch: int


class RandomBatchSampler(Sampler[list[RowOfEpoch]]):
    """This rank's batches of the current epoch; `set_epoch` moves on to another order.

    Args:
        costs: positions of each row, (N,).
        rank: which of the `world_size` processes asks; batch i belongs to rank i modulo world size.
    """

    drop_last = False

    def __init__(self, costs: np.ndarray, size: StepSize, *, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.costs, self.size, self.seed = costs, size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.count = num_batches(costs, size, multiple_of=world_size)
        if not self.count:
            raise DataError(
                f"{len(costs)} training rows cannot be shared out among {world_size} processes. Start fewer processes."
            )

    def set_epoch(self, epoch: int) -> None:
        """Chooses which epoch's order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.world_size

    def __iter__(self) -> Iterator[list[RowOfEpoch]]:
        batches = plan_epoch(self.costs, self.size, seed=self.seed, epoch=self.epoch, multiple_of=self.world_size)
        for batch in batches[self.rank :: self.world_size]:
            yield [RowOfEpoch(row, self.epoch) for row in batch.tolist()]


def padding_share(costs: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Returns the share of the positions of some batches, or parts of batches, that are padding, from 0 to 1."""
    padded = sum(len(batch) * int(costs[batch].max()) for batch in batches)
    real = sum(int(costs[batch].sum()) for batch in batches)
    return 1.0 - real / padded if padded else 0.0
