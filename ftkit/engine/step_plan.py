"""Which rows every rank computes in every optimizer step: steps are planned first, and then dealt out.

The rows of step k follow from the data, the seed and what a step may hold in all. So one process that accumulates four
micro-batches, two that accumulate two, and four that accumulate none take the same steps:

    step 0: rows of 3, 9, 4, 8, 1, 7, 5 and 2 positions; the longest are dealt first, to who has the least
    one rank, four accumulated:   {9 1} {8 2} {7 3} {4 5}
    two ranks, two accumulated:   {9 2} {4 5} and {8 1} {3 7}
    four ranks:                   {9 1} and {8 2} and {7 3} and {4 5}

Micro-batches of a step differ by at most one row where rows are counted. Where positions are, they differ as little as
possible in these. A gradient is a sum over a step's rows, so which rank computed a row makes no difference to it.

It does where the loss compares the rows of a micro-batch with one another (`StepSize.is_whole`). Then a step is cut
into its micro-batches first, in its own order, and ranks get whole ones: the four above are {3 9} {4 8} {1 7} {5 2}
for one rank, two of them each for two ranks, and one each for four.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch.utils.data import Sampler

from ftkit.adapters.objective import Compared
from ftkit.engine.batching import StepSize, is_by_cost, num_steps, padding_share, parts, plan_epoch
from ftkit.errors import ConfigError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def deal(costs: np.ndarray, num_shares: int, *, equal_rows: bool) -> list[np.ndarray]:
    """Shares out rows so that the costs of the shares differ little; the longest is dealt first.

    Args:
        costs: positions of each row, (B,).
        equal_rows: shares differ by at most one row; else only their costs count.

    Returns:
        Indices of rows, share by share, in ascending order. Shares are empty where there are fewer rows than shares.

    Example: rows of 9, 2, 2, 2 and 1 positions, for two: {9 2} and {2 2 1} if rows count, else {9} and {2 2 2 1}.
    """
    if num_shares == 1:
        return [np.arange(len(costs))]
    longest_first = np.argsort(-costs, kind="stable")
    share_of = np.empty(len(costs), np.int64)
    if equal_rows:
        totals = np.zeros(num_shares, np.int64)
        for start in range(0, len(costs), num_shares):  # a round gives every share one row
            dealt = longest_first[start : start + num_shares]
            share_of[dealt] = lightest_first = np.argsort(totals, kind="stable")[: len(dealt)]
            totals[lightest_first] += costs[dealt]
    else:
        lightest = [(0, share) for share in range(num_shares)]
        for row in longest_first.tolist():
            total, share = lightest[0]
            share_of[row] = share
            heapq.heapreplace(lightest, (total + int(costs[row]), share))
    return [np.flatnonzero(share_of == share) for share in range(num_shares)]


class StepPlan:
    """The optimizer steps of every epoch, and who computes what of them.

    Args:
        costs: positions of each row, (N,).
        size: of a micro-batch.
        seed: of the order of rows.
        num_ranks: processes that take a step together.
        num_micro_batches: of each rank, in a step: `gradient_accumulation_steps`.

    Attributes:
        num_steps: of every epoch.
        is_by_cost: whether steps and micro-batches are equal shares of the rows' costs; else they are of the rows.
    """

    def __init__(
        self, costs: np.ndarray, size: StepSize, *, seed: int, num_ranks: int = 1, num_micro_batches: int = 1
    ) -> None:
        self.costs, self.size, self.seed = costs, size, seed
        self.num_ranks, self.num_micro_batches = num_ranks, num_micro_batches
        self._in_step = num_ranks * num_micro_batches
        self.num_steps = num_steps(costs, size, num_micro_batches=self._in_step)
        self.is_by_cost = is_by_cost(costs, size, num_micro_batches=self._in_step)

    def steps(self, epoch: int) -> list[np.ndarray]:
        """Returns the rows of each step of an epoch."""
        return plan_epoch(self.costs, self.size, seed=self.seed, epoch=epoch, num_micro_batches=self._in_step)

    def ranks(self, step: np.ndarray) -> list[np.ndarray]:
        """Returns the rows of a step that each rank computes; none for some ranks where there are too few."""
        if self.size.is_whole:
            whole, count = np.array_split(step, self._in_step), self.num_micro_batches
            return [np.concatenate(whole[first : first + count]) for first in range(0, self._in_step, count)]
        return self._dealt(step, self.num_ranks)

    def micro_batches(self, of_rank: np.ndarray) -> list[np.ndarray]:
        """Returns a rank's rows of a step, micro-batch by micro-batch; empty ones where there are too few."""
        if self.size.is_whole:
            return np.array_split(of_rank, self.num_micro_batches)
        return self._dealt(of_rank, self.num_micro_batches)

    def _dealt(self, rows: np.ndarray, num_shares: int) -> list[np.ndarray]:
        return [rows[share] for share in deal(self.costs[rows], num_shares, equal_rows=not self.is_by_cost)]


def plan_steps(costs: np.ndarray, size: StepSize, arguments: TrainingArguments) -> StepPlan:
    """Returns the steps that training arguments ask for.

    Args:
        costs: positions of each row, (N,).
        size: of a micro-batch.
    """
    return StepPlan(
        costs,
        size,
        seed=arguments.seed if arguments.data_seed is None else arguments.data_seed,
        num_ranks=arguments.world_size,
        num_micro_batches=arguments.gradient_accumulation_steps,
    )


def check_has_others(plan: StepPlan, compares: Compared) -> None:
    """Refuses micro-batches, or steps, of one row, where the loss compares their rows with one another.

    Raises:
        ConfigError: there is one.
    """
    in_step = plan.num_ranks * plan.num_micro_batches
    if compares == "step":
        if min(map(len, plan.steps(0))) < 2:
            raise ConfigError(
                "train.per_device_train_batch_size: the loss compares the rows of an optimizer step with one another, "
                "and some would hold a single row. Say 2 or more; more is better, such as 32."
            )
        return
    if min(map(len, plan.steps(0))) // in_step >= 2:
        return
    raise ConfigError(
        "train.per_device_train_batch_size: the loss compares the rows of a micro-batch with one another, and some "
        "would hold a single row. Say 2 or more"
        + (
            f", and fewer in all: {len(plan.costs):,} rows do not suffice for {in_step} micro-batches in a step "
            "(processes x train.gradient_accumulation_steps)."
            if len(plan.costs) < 2 * in_step
            else "; more is better, such as 32."
        )
    )


MOST_MEASURED = 1_000  # steps that are looked at: enough for a share to two digits


def dealt_facts(plan: StepPlan) -> dict[str, float]:
    """Returns what is lost in the steps of the first epoch by how they are dealt out.

    Returns:
        `padding_share`, of the positions that are computed, and `rank_spread`: how much more the most burdened rank of
        a step has than the mean of all ranks, in real positions, on average over steps: 0.02 is 2% more.
    """
    steps = plan.steps(0)[:MOST_MEASURED]
    dealt = [plan.ranks(step) for step in steps]
    split = [
        rows[part]
        for ranks in dealt
        for of_rank in ranks
        for rows in plan.micro_batches(of_rank)
        if len(rows)
        for part in parts(plan.costs[rows], plan.size)
    ]
    burdens_SR = np.array([[plan.costs[of_rank].sum() for of_rank in ranks] for ranks in dealt])
    spread = burdens_SR.max(axis=1) / burdens_SR.mean(axis=1) - 1
    return {"padding_share": padding_share(plan.costs, split), "rank_spread": float(spread.mean())}


class RowOfEpoch(NamedTuple):
    """A row that is computed in one epoch; what is drawn for it at random depends on both.

    Attributes:
        counts: whether its loss counts. A rank that has no row in a micro-batch computes one that another rank trains
            on, since all of them meet in every forward and backward pass.
    """

    row: int
    epoch: int
    counts: bool = True


def rows_of_rank(plan: StepPlan, step: np.ndarray, rank: int, *, epoch: int) -> list[list[RowOfEpoch]]:
    """Returns the rows of a step that a rank computes, micro-batch by micro-batch; none is empty."""
    micro_batches = []
    for rows in plan.micro_batches(plan.ranks(step)[rank]):
        if len(rows):
            micro_batches.append([RowOfEpoch(row, epoch) for row in rows.tolist()])
        else:
            shortest = step[np.argmin(plan.costs[step])]
            micro_batches.append([RowOfEpoch(int(shortest), epoch, counts=False)])
    return micro_batches


class MicroBatchSampler(Sampler[list[RowOfEpoch]]):
    """A rank's micro-batches of the current epoch, step by step; `set_epoch` moves on to another order.

    Args:
        rank: which of the plan's ranks asks.
    """

    drop_last = False

    def __init__(self, plan: StepPlan, *, rank: int = 0) -> None:
        self.plan, self.rank = plan, rank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses which epoch's order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.plan.num_steps * self.plan.num_micro_batches

    def __iter__(self) -> Iterator[list[RowOfEpoch]]:
        for step in self.plan.steps(self.epoch):
            yield from rows_of_rank(self.plan, step, self.rank, epoch=self.epoch)
