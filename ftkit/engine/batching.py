"""Steps of rows drawn at random, in an order made by (seed, epoch) alone, and their parts of near-equal costs.

What a row costs is the number of positions that it takes in a model's body: tokens, patches, frames. A batch is as
wide as its costliest row; the rest is padding.

The rows of an optimizer step are a fair sample of the data, as in the plain Trainer: batches of one length would be
biased samples, and cost accuracy (banking77, MiniLM: 0.919 and 0.919 against 0.931 and 0.927). Padding is saved
inside the step instead. Its rows are sorted by length and computed in parts whose gradients are summed, which gives
the same gradient as the whole batch. Lengths 3 9 4 8 as one batch make 4 x 9 = 36 tokens, 12 of them padding; in the
parts {3 4} and {8 9} they make 2 x 4 + 2 x 9 = 26, of which 2 are padding. It is worth it where one more part costs
less than those 10 tokens.

Every row appears exactly once an epoch, and every epoch has the same number of steps, so a run can be resumed at any
step. The steps are equal shares of an epoch, and do not know how many ranks compute them: see ftkit.engine.step_plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """What one rank computes before the optimizer, or gradient accumulation, moves on: a micro-batch.

    An optimizer step holds as much as all micro-batches of all ranks may. Whichever of `rows` and `cost` gives more
    steps applies; either may be None. Steps are equal shares of an epoch, so none is a small remainder: 100 examples
    in batches of 32 are four times 25.

    Attributes:
        rows: examples in a micro-batch, at most; micro-batches differ by one.
        cost: positions in a micro-batch on average, at most, padding not counted.
        max_cost_at_once: padded positions in a part, at most, unless one example takes more; it bounds the memory that
            activations need.
        part_cost: what one more part costs, in positions; infinite where parts are only made for memory's sake.
        is_whole: the rows of a micro-batch are compared with one another, so it is one part, and holds the same rows
            however many ranks there are.
    """

    rows: int | None
    cost: int | None
    max_cost_at_once: float
    part_cost: float = PART_COST
    is_whole: bool = False


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


def num_steps(costs: np.ndarray, size: StepSize, *, num_micro_batches: int = 1) -> int:
    """Returns how many optimizer steps every epoch has.

    Args:
        costs: positions of each row, (N,).
        num_micro_batches: of all ranks, in a step.
    """
    return min(max(1, *_counts(costs, size, num_micro_batches)), len(costs))


def is_by_cost(costs: np.ndarray, size: StepSize, *, num_micro_batches: int = 1) -> bool:
    """Tells whether steps are equal shares of the rows' costs; else they are of the rows."""
    by_rows, by_cost = _counts(costs, size, num_micro_batches)
    return by_cost > by_rows


def _counts(costs: np.ndarray, size: StepSize, num_micro_batches: int) -> tuple[int, int]:
    """Returns the numbers of steps that the rows ask for, and their costs; 0 where they are not limited.

    A row that costs more than a micro-batch may makes one of its own: there are no more steps than such rows fill.
    Where no row does, that is no bound, and only what a whole step may hold counts.
    """
    by_rows = math.ceil(len(costs) / (size.rows * num_micro_batches)) if size.rows else 0
    by_cost = math.ceil(int(costs.sum()) / (size.cost * num_micro_batches)) if size.cost else 0
    return by_rows, min(by_cost, math.ceil(len(costs) / num_micro_batches))


def plan_epoch(
    costs: np.ndarray, size: StepSize, *, seed: int, epoch: int, num_micro_batches: int = 1
) -> list[np.ndarray]:
    """Returns the optimizer steps of an epoch, as row indices: a random order, cut into equal shares of rows or costs.

    Args:
        costs: positions of each row, (N,).
        num_micro_batches: of all ranks, in a step. How many ranks there are makes no difference.
    """
    count = num_steps(costs, size, num_micro_batches=num_micro_batches)
    order = np.random.default_rng([seed, epoch]).permutation(len(costs))
    if is_by_cost(costs, size, num_micro_batches=num_micro_batches):
        middles = np.cumsum(costs[order]) - costs[order] / 2
        bounds = np.searchsorted(middles, np.arange(1, count) * costs.sum() / count)
        if np.all(np.diff([0, *bounds, len(order)]) > 0):  # a very long row can take two shares
            return np.split(order, bounds)
    return np.array_split(order, count)


def parts(costs: Sequence[int] | np.ndarray, size: StepSize) -> list[np.ndarray]:
    """Splits a micro-batch into parts of near-equal costs, so that padding and the number of parts cost least.

    Args:
        costs: positions of each row of the micro-batch, (B,).

    Returns:
        Indices into the micro-batch, part by part, short rows first.
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


def padding_share(costs: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Returns the share of the positions of some batches, or parts of batches, that are padding, from 0 to 1."""
    padded = sum(len(batch) * int(costs[batch].max()) for batch in batches)
    real = sum(int(costs[batch].sum()) for batch in batches)
    return 1.0 - real / padded if padded else 0.0
