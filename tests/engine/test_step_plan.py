"""Every rank's share of every optimizer step: steps do not know who computes them, and shares are near-equal."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.engine.batching import StepSize
from ftkit.engine.step_plan import MicroBatchSampler, RowOfEpoch, StepPlan, check_has_others, deal, dealt_facts
from ftkit.errors import ConfigError

arrays_of_costs = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(np.array)
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 5)
modest = settings(max_examples=60, deadline=None)


def by_rows(rows: int) -> StepSize:
    return StepSize(rows=rows, cost=None, max_cost_at_once=4_096)


def by_cost(cost: int) -> StepSize:
    return StepSize(rows=None, cost=cost, max_cost_at_once=math.inf)


sizes = st.one_of(st.integers(1, 16).map(by_rows), st.integers(1, 200).map(by_cost))


def shares(costs: list[int], num_shares: int, *, equal_rows: bool) -> list[list[int]]:
    """Returns the costs of each share."""
    array = np.array(costs)
    return [array[share].tolist() for share in deal(array, num_shares, equal_rows=equal_rows)]


# --- dealing ---


def test_the_example_of_dealing() -> None:
    assert shares([9, 2, 2, 2, 1], 2, equal_rows=True) == [[9, 2], [2, 2, 1]]
    assert shares([9, 2, 2, 2, 1], 2, equal_rows=False) == [[9], [2, 2, 2, 1]]


def test_the_example_of_the_module() -> None:
    costs, step = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), np.array([3, 9, 4, 8, 1, 7, 5, 2])

    def dealt(num_ranks: int, num_micro_batches: int) -> list[list[list[int]]]:
        plan = StepPlan(costs, by_rows(8), seed=0, num_ranks=num_ranks, num_micro_batches=num_micro_batches)
        return [[rows.tolist() for rows in plan.micro_batches(of_rank)] for of_rank in plan.ranks(step)]

    assert dealt(1, 4) == [[[9, 1], [8, 2], [3, 7], [4, 5]]]
    assert dealt(2, 2) == [[[9, 2], [4, 5]], [[8, 1], [3, 7]]]
    assert dealt(4, 1) == [[[9, 1]], [[8, 2]], [[3, 7]], [[4, 5]]]


@given(arrays_of_costs, st.integers(1, 9), st.booleans())
@modest
def test_every_row_is_dealt_once_and_costs_are_near_equal(costs: np.ndarray, count: int, equal_rows: bool) -> None:
    dealt = deal(costs, count, equal_rows=equal_rows)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(costs)))
    totals = [int(costs[share].sum()) for share in dealt]
    assert max(totals) - min(totals) <= costs.max(), "of shares that are dealt by turns, longest first"
    num_rows = [len(share) for share in dealt]
    if equal_rows:
        assert max(num_rows) - min(num_rows) <= 1
    if len(costs) >= count:
        assert min(num_rows) >= 1


# --- who computes what ---


@given(arrays_of_costs, sizes, seeds, counts, counts)
@modest
def test_ranks_and_micro_batches_share_every_step_out(
    costs: np.ndarray, size: StepSize, seed: int, num_ranks: int, num_micro_batches: int
) -> None:
    plan = StepPlan(costs, size, seed=seed, num_ranks=num_ranks, num_micro_batches=num_micro_batches)
    computed = [list(sampler_of(plan, rank, epoch=3)) for rank in range(num_ranks)]
    assert {len(of_rank) for of_rank in computed} == {plan.num_steps * num_micro_batches}
    for number, step in enumerate(plan.steps(3)):
        mine = slice(number * num_micro_batches, (number + 1) * num_micro_batches)
        micro_batches = [items for of_rank in computed for items in of_rank[mine]]
        assert all(micro_batches), "ranks meet in every pass"
        assert {item.epoch for items in micro_batches for item in items} == {3}
        assert sorted(item.row for items in micro_batches for item in items if item.counts) == sorted(step.tolist())
        if not plan.is_by_cost:
            num_rows = [sum(item.counts for item in items) for items in micro_batches]
            assert max(num_rows) - min(num_rows) <= 1


def sampler_of(plan: StepPlan, rank: int, *, epoch: int = 0) -> MicroBatchSampler:
    sampler = MicroBatchSampler(plan, rank=rank)
    sampler.set_epoch(epoch)
    return sampler


@pytest.mark.parametrize("num_rows", [1, 274, 9_003])
@pytest.mark.parametrize("rows", [32, 8, 1])
def test_every_factorisation_of_a_global_batch_takes_the_same_steps(num_rows: int, rows: int) -> None:
    """A micro-batch holds 1, 8 or 32 rows; a step 32, computed by one rank, two or four."""
    costs = np.random.default_rng(0).integers(3, 90, num_rows)
    expected = [sorted(step.tolist()) for step in StepPlan(costs, by_rows(32), seed=1).steps(2)]
    for num_ranks in (1, 2, 4):
        num_micro_batches = 32 // rows // num_ranks
        if not num_micro_batches:
            continue
        plan = StepPlan(costs, by_rows(rows), seed=1, num_ranks=num_ranks, num_micro_batches=num_micro_batches)
        found = [
            [item.row for items in micro_batches for item in items if item.counts]
            for micro_batches in steps_of(plan, epoch=2)
        ]
        assert [sorted(step) for step in found] == expected


def steps_of(plan: StepPlan, *, epoch: int) -> list[list[list[RowOfEpoch]]]:
    """Returns step -> micro-batches of all ranks."""
    ranks = [list(sampler_of(plan, rank, epoch=epoch)) for rank in range(plan.num_ranks)]
    return [
        [items for of_rank in ranks for items in of_rank[start : start + plan.num_micro_batches]]
        for start in range(0, len(ranks[0]), plan.num_micro_batches)
    ]


def test_a_rank_without_a_row_computes_the_shortest_of_the_step_which_does_not_count() -> None:
    plan = StepPlan(np.array([7, 4, 5]), by_rows(1), seed=0, num_ranks=2, num_micro_batches=2)
    assert plan.num_steps == 1
    items = [items for rank in (0, 1) for items in sampler_of(plan, rank)]
    assert [item for (item,) in items if not item.counts] == [RowOfEpoch(1, 0, counts=False)]
    assert sorted(item.row for (item,) in items if item.counts) == [0, 1, 2]


def test_a_sampler_repeats_its_epoch_until_it_is_told_the_next() -> None:
    sampler = MicroBatchSampler(StepPlan(np.arange(1, 201), by_rows(8), seed=0, num_ranks=2))
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert [[item.row for item in items] for items in sampler] != [[item.row for item in items] for items in first]
    sampler.set_epoch(0)
    assert list(sampler) == first


# --- what is lost ---


def test_the_spread_is_what_the_most_burdened_rank_has_more_than_the_mean() -> None:
    one_step = StepPlan(np.array([9, 2, 2, 2, 1]), by_rows(8), seed=0, num_ranks=2)
    assert dealt_facts(one_step)["rank_spread"] == pytest.approx(11 / 8 - 1)
    alone = StepPlan(np.array([9, 2, 2, 2, 1]), by_rows(2), seed=0, num_micro_batches=2)
    assert dealt_facts(alone)["rank_spread"] == 0.0
    too_few = StepPlan(np.array([3, 3]), by_rows(8), seed=0, num_ranks=4)
    assert dealt_facts(too_few) == {"padding_share": 0.0, "rank_spread": 1.0}


@pytest.mark.parametrize(("size", "most"), [(by_rows(32), 0.01), (by_rows(8), 0.06), (by_cost(512), 0.005)])
def test_ranks_are_balanced_on_banking77(real_data: Path, size: StepSize, most: float) -> None:
    """Batches that are taken in turn would have the most burdened rank 10%, 21% and 2% above the mean."""
    with (real_data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        costs = np.array([len(row["text"].split()) + 2 for row in csv.DictReader(file)])
    assert dealt_facts(StepPlan(costs, size, seed=0, num_ranks=4))["rank_spread"] < most


# --- rows that are compared with one another ---


@pytest.mark.parametrize("num_rows", [64, 61, 203])
def test_what_is_compared_is_the_same_however_many_ranks(num_rows: int) -> None:
    """Micro-batches, as sets of rows, follow from their number in a step alone, and lie whole with one rank."""
    costs = np.random.default_rng(0).integers(3, 90, num_rows)
    size = dataclasses.replace(by_rows(8), is_whole=True)

    def compared(num_ranks: int, num_micro_batches: int) -> list[list[list[int]]]:
        plan = StepPlan(costs, size, seed=0, num_ranks=num_ranks, num_micro_batches=num_micro_batches)
        return [
            [rows.tolist() for of_rank in plan.ranks(step) for rows in plan.micro_batches(of_rank)]
            for step in plan.steps(1)
        ]

    alone = compared(1, 4)
    assert compared(2, 2) == compared(4, 1) == alone
    assert sorted(row for step in alone for rows in step for row in rows) == list(range(num_rows))
    assert {len(rows) for step in alone for rows in step} <= {5, 6, 7, 8}


def test_a_row_is_compared_with_another_one() -> None:
    whole = dataclasses.replace(by_rows(2), is_whole=True)
    check_has_others(StepPlan(np.full(8, 5), whole, seed=0), "micro-batch")
    with pytest.raises(ConfigError, match="Say 2 or more; more is better"):
        check_has_others(StepPlan(np.full(8, 5), dataclasses.replace(whole, rows=1), seed=0), "micro-batch")
    with pytest.raises(ConfigError, match="8 rows do not suffice for 6 micro-batches in a step"):
        check_has_others(StepPlan(np.full(8, 5), whole, seed=0, num_ranks=2, num_micro_batches=3), "micro-batch")


def test_a_step_is_compared_as_a_whole() -> None:
    """Micro-batches of one row are right where all rows of a step are compared; a step of one is not."""
    check_has_others(StepPlan(np.full(8, 5), by_rows(1), seed=0, num_micro_batches=4), "step")
    with pytest.raises(ConfigError, match="some would hold a single row"):
        check_has_others(StepPlan(np.full(8, 5), by_rows(1), seed=0), "step")
