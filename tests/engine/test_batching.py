"""What every plan of optimizer steps keeps to, and how a micro-batch is split into parts."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftkit.engine.batching import (
    PART_COST,
    BatchLimits,
    StepSize,
    cut,
    num_steps,
    padding_share,
    parts,
    plan_epoch,
)

NO_BOUND = math.inf

arrays_of_costs = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(np.array)
limits_of_a_batch = st.builds(BatchLimits, max_rows=st.integers(1, 16), max_cost=st.integers(1, 200))
row_counts, batch_costs = st.integers(1, 16), st.integers(1, 200)
bounds_of_memory = st.integers(1, 200) | st.just(NO_BOUND)
micro_batches = st.integers(1, 9)
part_costs = st.integers(0, 100) | st.just(math.inf)
sizes_of_a_step = st.builds(
    lambda counts, bound, cost: StepSize(*counts, bound, cost),
    st.one_of(
        st.tuples(row_counts, st.none()),
        st.tuples(st.none(), batch_costs),
        st.tuples(row_counts, batch_costs),
    ),
    bounds_of_memory,
    part_costs,
)
seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=60, deadline=None)


def by_rows(rows: int) -> StepSize:
    return StepSize(rows=rows, cost=None, max_cost_at_once=4_096)


def by_cost(cost: int) -> StepSize:
    return StepSize(rows=None, cost=cost, max_cost_at_once=cost)


def bounded(max_cost_at_once: float, part_cost: float) -> StepSize:
    return StepSize(rows=32, cost=None, max_cost_at_once=max_cost_at_once, part_cost=part_cost)


def short_texts(num_texts: int) -> np.ndarray:
    """Lengths as in a set of chat messages: median 13 tokens, a tail up to 90."""
    costs = np.random.default_rng(0).lognormal(mean=2.6, sigma=0.5, size=num_texts)
    return np.clip(costs.round().astype(np.int64), 3, 90)


def as_lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


# --- one epoch ---


@given(arrays_of_costs, sizes_of_a_step, seeds, st.integers(0, 5), micro_batches)
@modest
def test_every_row_comes_exactly_once(
    costs: np.ndarray, size: StepSize, seed: int, epoch: int, num_micro_batches: int
) -> None:
    steps = plan_epoch(costs, size, seed=seed, epoch=epoch, num_micro_batches=num_micro_batches)
    assert sorted(np.concatenate(steps).tolist()) == list(range(len(costs)))
    assert all(len(step) for step in steps)


@given(arrays_of_costs, row_counts, seeds, micro_batches)
@modest
def test_steps_of_rows_are_equal_shares(costs: np.ndarray, rows: int, seed: int, num_micro_batches: int) -> None:
    steps = plan_epoch(costs, by_rows(rows), seed=seed, epoch=0, num_micro_batches=num_micro_batches)
    num_rows = [len(step) for step in steps]
    assert max(num_rows) - min(num_rows) <= 1
    assert len(steps) == math.ceil(len(costs) / (rows * num_micro_batches))
    assert max(num_rows) <= rows * num_micro_batches


def test_steps_of_rows_are_just_as_large_as_asked_for() -> None:
    steps = plan_epoch(short_texts(320), by_rows(32), seed=0, epoch=0, num_micro_batches=2)
    assert [len(step) for step in steps] == [64] * 5


@given(arrays_of_costs, batch_costs, seeds, micro_batches)
@modest
def test_steps_of_cost_are_near_equal_shares(costs: np.ndarray, cost: int, seed: int, num_micro_batches: int) -> None:
    steps = plan_epoch(costs, by_cost(cost), seed=seed, epoch=0, num_micro_batches=num_micro_batches)
    share = costs.sum() / len(steps)
    if len(steps) < len(costs) // num_micro_batches:
        assert share <= cost * num_micro_batches
    if costs.max() < share:  # else a row can be longer than a step
        assert all(abs(costs[step].sum() - share) <= costs.max() for step in steps)


@pytest.mark.parametrize("num_micro_batches", [1, 8])
def test_rows_longer_than_a_micro_batch_may_be_fill_one_each(num_micro_batches: int) -> None:
    """None goes without: 16,384 positions for eight would be two rows."""
    steps = plan_epoch(np.full(64, 8_192), by_cost(2_048), seed=0, epoch=0, num_micro_batches=num_micro_batches)
    assert {len(step) for step in steps} == {num_micro_batches}


def test_steps_of_cost_differ_in_rows_rather_than_in_cost() -> None:
    costs = short_texts(6_400)
    batches = plan_epoch(costs, by_cost(2_048), seed=0, epoch=0)
    costs_of_batches = [int(costs[batch].sum()) for batch in batches]
    assert max(costs_of_batches) - min(costs_of_batches) <= 2 * costs.max(), "equal shares of the rows differ by 500"
    assert len({len(batch) for batch in batches}) > 1


def test_a_row_longer_than_two_shares_leaves_no_batch_empty() -> None:
    costs = np.array([5, 5, 5, 100, 5, 5, 5, 5])
    for seed in range(5):
        batches = plan_epoch(costs, by_cost(20), seed=seed, epoch=0)
        assert [len(batch) for batch in batches] == [2, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("length", "num_rows", "count"),
    [
        (10, 32, 10),  # short texts: 32 rows, far from 400 tokens
        (50, 8, 40),  # long ones: 400 tokens
    ],
)
def test_whichever_of_rows_and_cost_gives_more_batches_applies(length: int, num_rows: int, count: int) -> None:
    size = StepSize(rows=32, cost=400, max_cost_at_once=400)
    batches = plan_epoch(np.full(320, length), size, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [num_rows] * count


@given(arrays_of_costs, st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 6, 12]), seeds)
@example(np.ones(13, np.int64), 1, 12, 0)  # each row fills a micro-batch, and one is left over
@modest
def test_steps_follow_from_what_all_micro_batches_hold(costs: np.ndarray, unit: int, count: int, seed: int) -> None:
    """12 x 1, 6 x 2 ... 1 x 12 rows are the same 12 rows; likewise positions, unless a row is longer than they are."""

    def steps(size: StepSize, num_micro_batches: int) -> list[list[int]]:
        return as_lists(plan_epoch(costs, size, seed=seed, epoch=1, num_micro_batches=num_micro_batches))

    assert steps(by_rows(unit * 12 // count), count) == steps(by_rows(unit * 12), 1)
    longest = int(costs.max())
    assert steps(by_cost(longest * 12 // count), count) == steps(by_cost(longest * 12), 1)


@given(arrays_of_costs, seeds)
@modest
def test_a_row_stands_in_any_batch_whatever_its_cost(costs: np.ndarray, seed: int) -> None:
    """The order does not know the costs: with rows counted, other costs make the same batches."""
    size = by_rows(4)
    assert as_lists(plan_epoch(costs, size, seed=seed, epoch=0)) == as_lists(
        plan_epoch(np.sort(costs), size, seed=seed, epoch=0)
    )


@pytest.mark.parametrize("size", [by_rows(32), by_cost(512)])
def test_batches_are_a_fair_sample_of_lengths(size: StepSize) -> None:
    costs = short_texts(6_400)
    batches = plan_epoch(costs, size, seed=0, epoch=0)
    means = np.array([costs[batch].mean() for batch in batches])
    expected = costs.std() / math.sqrt(len(costs) / len(batches))
    assert means.std() == pytest.approx(expected, rel=0.2), "as of rows drawn at random"
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


# --- several epochs ---


@given(arrays_of_costs, sizes_of_a_step, seeds, micro_batches)
@modest
def test_every_epoch_has_equally_many_steps(
    costs: np.ndarray, size: StepSize, seed: int, num_micro_batches: int
) -> None:
    expected = num_steps(costs, size, num_micro_batches=num_micro_batches)
    for epoch in range(4):
        steps = plan_epoch(costs, size, seed=seed, epoch=epoch, num_micro_batches=num_micro_batches)
        assert len(steps) == expected


@given(arrays_of_costs, sizes_of_a_step, seeds, st.integers(0, 5))
@modest
def test_an_epoch_repeats_exactly(costs: np.ndarray, size: StepSize, seed: int, epoch: int) -> None:
    first, second = (as_lists(plan_epoch(costs, size, seed=seed, epoch=epoch)) for _ in range(2))
    assert first == second


def test_epochs_and_seeds_differ_in_order_and_in_neighbours() -> None:
    costs, size = short_texts(400), by_rows(16)
    plans = [as_lists(plan_epoch(costs, size, seed=seed, epoch=epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert not {frozenset(batch) for batch in plans[one]} & {frozenset(batch) for batch in plans[other]}


# --- parts of a micro-batch ---


def test_the_example_of_the_module() -> None:
    costs = np.array([3, 9, 4, 8])
    assert padding_share(costs, [np.arange(4)]) == pytest.approx(12 / 36)
    split = parts(costs, bounded(NO_BOUND, part_cost=9))
    assert as_lists(split) == [[0, 2], [3, 1]]
    assert padding_share(costs, split) == pytest.approx(2 / 26)
    assert as_lists(parts(costs, bounded(NO_BOUND, part_cost=11))) == [[0, 2, 3, 1]]


def partitions(rows: list[int]) -> Iterator[list[list[int]]]:
    """Yields every way to split rows into parts, neighbours in length or not."""
    if not rows:
        yield []
        return
    first, *others = rows
    for split in partitions(others):
        yield [[first], *split]
        for index, part in enumerate(split):
            yield [*split[:index], [first, *part], *split[index + 1 :]]


def price(costs: list[int], split: list[list[int]], part_cost: float) -> tuple[float, float]:
    """What a split costs; where a part costs infinitely much, the number of parts comes first and padding second."""
    positions = sum(len(part) * max(costs[row] for row in part) for part in split)
    return (len(split), positions) if math.isinf(part_cost) else (0, positions + part_cost * len(split))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 40) | st.just(NO_BOUND), part_costs)
@settings(max_examples=150, deadline=None)
def test_no_split_is_cheaper(costs: list[int], bound: float, part_cost: float) -> None:
    def fits(part: list[int]) -> bool:
        return len(part) == 1 or len(part) * max(costs[row] for row in part) <= bound

    allowed = [split for split in partitions(list(range(len(costs)))) if all(fits(part) for part in split)]
    found = as_lists(parts(costs, bounded(bound, part_cost)))
    assert all(fits(part) for part in found)
    assert price(costs, found, part_cost) == min(price(costs, split, part_cost) for split in allowed)


@given(arrays_of_costs, bounds_of_memory, part_costs)
@modest
def test_parts_hold_every_row_once_from_short_to_long_within_memory(
    costs: np.ndarray, bound: float, part_cost: float
) -> None:
    split = parts(costs, bounded(bound, part_cost))
    rows = np.concatenate(split)
    assert sorted(rows.tolist()) == list(range(len(costs)))
    assert costs[rows].tolist() == sorted(costs.tolist())
    assert all(0 < len(part) * costs[part].max() <= bound or len(part) == 1 for part in split)


def test_rows_of_one_length_are_split_where_memory_asks_for_it() -> None:
    """Five rows of 4 tokens: two parts of 3 and 2 would hold 12 tokens, so that two at once make three parts."""
    for part_cost in (0, PART_COST, math.inf):
        split = parts([4] * 5, bounded(10, part_cost))
        assert sorted(len(part) for part in split) == [1, 2, 2]


def test_without_a_bound_an_infinite_cost_makes_one_part() -> None:
    assert as_lists(parts([3, 900, 1, 3], bounded(NO_BOUND, math.inf))) == [[2, 0, 3, 1]]


def test_one_long_row_does_not_split_the_short_ones_where_only_memory_counts() -> None:
    """With the row of 512 tokens only 8 rows fit at once: it goes alone, and the others stay together."""
    split = parts([20] * 31 + [512], bounded(4_096, math.inf))
    assert [len(part) for part in split] == [31, 1]


@pytest.mark.parametrize("num_rows", [1, 2])
def test_a_row_longer_than_memory_is_alone(num_rows: int) -> None:
    assert [len(part) for part in parts([100] * num_rows, bounded(20, PART_COST))] == [1] * num_rows


# --- padding that parts save ---


def shares_of_padding(costs: np.ndarray, size: StepSize) -> tuple[float, float]:
    """Returns the share of padding in whole batches, and in their parts."""
    batches = plan_epoch(costs, size, seed=0, epoch=0)
    split = [batch[part] for batch in batches for part in parts(costs[batch], size)]
    return padding_share(costs, batches), padding_share(costs, split)


# Batches bounded by their tokens, and by their rows. A part costs 48 tokens, so small batches make few of them.
@pytest.mark.parametrize(
    ("size", "most"), [(by_cost(1_024), 0.14), (by_rows(64), 0.14), (by_rows(32), 0.18), (by_rows(8), 0.26)]
)
def test_little_padding_on_short_texts(size: StepSize, most: float) -> None:
    whole, split = shares_of_padding(short_texts(4_000), size)
    assert split < most
    assert whole > 0.4


def test_little_padding_on_banking77(real_data: Path) -> None:
    with (real_data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        costs = np.array([len(row["text"].split()) for row in csv.DictReader(file)])
    whole, split = shares_of_padding(costs, by_rows(64))
    assert split < 0.16
    assert whole > 0.7


def test_no_rows_make_no_padding() -> None:
    assert padding_share(np.array([], np.int64), []) == 0.0


# --- gradients ---


def gradient(
    inputs: torch.Tensor, targets: torch.Tensor, batches: list[np.ndarray], items_per_step: float
) -> torch.Tensor:
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for batch in batches:
        losses = (inputs[batch] @ weights - targets[batch]) ** 2
        (losses.sum() / items_per_step).backward()
    assert weights.grad is not None
    return weights.grad


@given(arrays_of_costs, sizes_of_a_step, seeds)
@settings(max_examples=20, deadline=None)
def test_parts_and_unequal_batches_have_the_gradient_of_whole_and_equal_ones(
    costs: np.ndarray, size: StepSize, seed: int
) -> None:
    """One divisor for all batches weighs every row alike; dividing each by its own size would not."""
    num_rows = len(costs)
    inputs = torch.randn(num_rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = inputs.sum(dim=1) ** 2
    batches = plan_epoch(costs, size, seed=seed, epoch=0)
    items_per_step = num_rows / len(batches)
    for batch in batches:
        split = [batch[part] for part in parts(costs[batch], size)]
        summed = gradient(inputs, targets, split, items_per_step)
        torch.testing.assert_close(summed, gradient(inputs, targets, [batch], items_per_step))
    epoch = gradient(inputs, targets, batches, items_per_step) / len(batches)
    torch.testing.assert_close(epoch, gradient(inputs, targets, list(np.arange(num_rows).reshape(-1, 1)), num_rows))


# --- batches for evaluation ---


@given(arrays_of_costs, limits_of_a_batch)
@modest
def test_cut_keeps_the_order_and_the_limits(costs: np.ndarray, limits: BatchLimits) -> None:
    order = np.argsort(costs, kind="stable")
    batches = cut(costs, order, limits)
    assert np.concatenate(batches).tolist() == order.tolist()
    for batch in batches:
        assert 1 <= len(batch) <= limits.max_rows
        assert len(batch) * costs[batch].max() <= limits.max_cost or len(batch) == 1


def test_cut_fills_batches_as_far_as_the_limits_allow() -> None:
    costs = np.array([3, 9, 4, 8])
    batches = cut(costs, np.argsort(costs), BatchLimits(max_rows=8, max_cost=18))
    assert [costs[batch].tolist() for batch in batches] == [[3, 4], [8, 9]]
    as_they_come = cut(costs, np.arange(4), BatchLimits(max_rows=3, max_cost=99))
    assert as_lists(as_they_come) == [[0, 1, 2], [3]]
    with_a_long_row = cut(np.array([5, 100, 5, 5]), np.arange(4), BatchLimits(max_rows=8, max_cost=20))
    assert as_lists(with_a_long_row) == [[0], [1], [2, 3]]


def test_no_rows_make_no_batches() -> None:
    nothing = np.array([], np.int64)
    assert cut(nothing, nothing, BatchLimits(max_rows=8, max_cost=20)) == []
