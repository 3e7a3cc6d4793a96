"""What every plan of batches keeps to, and what a padded batch holds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftkit.engine.batching import (
    NUM_STRATA,
    BatchLimits,
    LengthBatchSampler,
    cut,
    num_batches,
    pad,
    padding_share,
    plan_epoch,
)
from ftkit.errors import DataError

arrays_of_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(np.array)
limits_of_a_batch = st.builds(BatchLimits, max_rows=st.integers(1, 16), max_tokens=st.integers(1, 200))
seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=60, deadline=None)


def short_texts(num_texts: int) -> np.ndarray:
    """Lengths as in a set of chat messages: median 13 tokens, a tail up to 90."""
    lengths = np.random.default_rng(0).lognormal(mean=2.6, sigma=0.5, size=num_texts)
    return np.clip(lengths.round().astype(np.int64), 3, 90)


# --- one epoch ---


@given(arrays_of_lengths, limits_of_a_batch, seeds, st.integers(0, 5))
@modest
def test_every_row_comes_exactly_once(lengths: np.ndarray, limits: BatchLimits, seed: int, epoch: int) -> None:
    batches = plan_epoch(lengths, limits, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))


@given(arrays_of_lengths, limits_of_a_batch, seeds, st.integers(1, 4))
@modest
def test_limits_are_kept(lengths: np.ndarray, limits: BatchLimits, seed: int, multiple_of: int) -> None:
    for batch in plan_epoch(lengths, limits, seed=seed, epoch=0, multiple_of=multiple_of):
        num_tokens = len(batch) * lengths[batch].max()
        assert 1 <= len(batch) <= limits.max_rows
        assert num_tokens <= limits.max_tokens or len(batch) == 1


def test_a_row_longer_than_the_budget_is_alone() -> None:
    lengths = np.array([5, 100, 5, 5])
    batches = plan_epoch(lengths, BatchLimits(max_rows=8, max_tokens=20), seed=0, epoch=0)
    assert [1] in [batch.tolist() for batch in batches]
    assert sorted(len(batch) for batch in batches) == [1, 3]


def test_the_example_of_the_module() -> None:
    lengths, limits = np.array([3, 9, 4, 8]), BatchLimits(max_rows=8, max_tokens=18)
    batches = cut(lengths, np.argsort(lengths), limits)
    assert [lengths[batch].tolist() for batch in batches] == [[3, 4], [8, 9]]
    assert padding_share(lengths, batches) == pytest.approx(2 / 26)
    as_they_come = cut(lengths, np.arange(4), BatchLimits(max_rows=2, max_tokens=18))
    assert padding_share(lengths, as_they_come) == pytest.approx(10 / 34)


def test_no_rows_make_no_batches() -> None:
    nothing = np.array([], np.int64)
    assert cut(nothing, nothing, BatchLimits(max_rows=8, max_tokens=20)) == []
    assert padding_share(nothing, []) == 0.0


# --- several epochs ---


@given(arrays_of_lengths, limits_of_a_batch, seeds, st.integers(1, 4))
@modest
def test_every_epoch_has_equally_many_batches(
    lengths: np.ndarray, limits: BatchLimits, seed: int, multiple_of: int
) -> None:
    expected = num_batches(lengths, limits, seed=seed, multiple_of=multiple_of)
    for epoch in range(4):
        assert len(plan_epoch(lengths, limits, seed=seed, epoch=epoch, multiple_of=multiple_of)) == expected


def as_lists(batches: list[np.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@given(arrays_of_lengths, limits_of_a_batch, seeds, st.integers(0, 5))
@modest
def test_an_epoch_repeats_exactly(lengths: np.ndarray, limits: BatchLimits, seed: int, epoch: int) -> None:
    first, second = (as_lists(plan_epoch(lengths, limits, seed=seed, epoch=epoch)) for _ in range(2))
    assert first == second


def test_epochs_and_seeds_differ_in_order_and_in_neighbours() -> None:
    lengths, limits = short_texts(400), BatchLimits(max_rows=16, max_tokens=512)
    plans = [as_lists(plan_epoch(lengths, limits, seed=seed, epoch=epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        assert plans[one] != plans[other]
        shared = {frozenset(batch) for batch in plans[one]} & {frozenset(batch) for batch in plans[other]}
        assert len(shared) < len(plans[one]) / 10


def test_the_order_within_an_epoch_does_not_follow_the_lengths() -> None:
    lengths = short_texts(2_000)
    batches = plan_epoch(lengths, BatchLimits(max_rows=32, max_tokens=1_024), seed=0, epoch=0)
    means = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_every_few_steps_are_a_fair_sample_of_lengths() -> None:
    lengths = short_texts(4_000)
    batches = plan_epoch(lengths, BatchLimits(max_rows=16, max_tokens=1_024), seed=0, epoch=0)
    rounds = [batches[start : start + NUM_STRATA] for start in range(0, len(batches) - NUM_STRATA, NUM_STRATA)]
    means = [np.concatenate([lengths[batch] for batch in few]).mean() for few in rounds]
    shuffled = lengths.std() / np.sqrt(NUM_STRATA)  # what batches of one length in any order would give
    assert np.std(means) < shuffled / 2
    firsts = [int(np.argsort([lengths[batch].mean() for batch in few])[0]) for few in rounds]
    assert len(set(firsts)) == NUM_STRATA, "the shortest batch of a round stands at any place"


# Batches bounded by their tokens, and by their rows.
@pytest.mark.parametrize("limits", [BatchLimits(max_rows=256, max_tokens=1_024), BatchLimits(32, 4_096)])
def test_little_padding_on_short_texts(limits: BatchLimits) -> None:
    lengths = short_texts(4_000)
    shares = [padding_share(lengths, plan_epoch(lengths, limits, seed=0, epoch=epoch)) for epoch in range(3)]
    assert max(shares) < 0.15, "the blur that keeps batches from holding one length only costs about 13%"
    as_they_come = cut(lengths, np.arange(len(lengths)), limits)
    assert padding_share(lengths, as_they_come) > 0.4


def test_little_padding_on_banking77(real_data: Path) -> None:
    with (real_data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        lengths = np.array([len(row["text"].split()) for row in csv.DictReader(file)])
    batches = plan_epoch(lengths, BatchLimits(max_rows=64, max_tokens=4_096), seed=0, epoch=0)
    assert padding_share(lengths, batches) < 0.15
    assert np.mean([len(set(lengths[batch])) for batch in batches]) > 3, "a batch mixes lengths"


# --- several ranks ---


@given(arrays_of_lengths, limits_of_a_batch, seeds, st.integers(1, 4))
@modest
def test_ranks_share_an_epoch_out(lengths: np.ndarray, limits: BatchLimits, seed: int, world_size: int) -> None:
    # With fewer rows than batches to hand out, no plan gives every rank equally many.
    assume(num_batches(lengths, limits, seed=seed, multiple_of=world_size) % world_size == 0)
    samplers = [
        LengthBatchSampler(lengths, limits, seed=seed, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    for epoch in range(2):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        batches = [list(sampler) for sampler in samplers]
        assert [len(of_rank) for of_rank in batches] == [len(sampler) for sampler in samplers]
        assert len({len(sampler) for sampler in samplers}) == 1
        rows = [row for of_rank in batches for batch in of_rank for row in batch]
        assert sorted(rows) == list(range(len(lengths)))


def test_a_sampler_repeats_its_epoch_until_it_is_told_the_next() -> None:
    sampler = LengthBatchSampler(short_texts(200), BatchLimits(max_rows=8, max_tokens=256), seed=0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


# --- gradients ---


@given(arrays_of_lengths, limits_of_a_batch, seeds)
@settings(max_examples=20, deadline=None)
def test_an_epoch_of_unequal_batches_has_the_gradient_of_equal_ones(
    lengths: np.ndarray, limits: BatchLimits, seed: int
) -> None:
    """One divisor for all batches weighs every row alike; dividing each by its own size would not."""
    num_rows = len(lengths)
    inputs = torch.randn(num_rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = inputs.sum(dim=1) ** 2
    batches = plan_epoch(lengths, limits, seed=seed, epoch=0)
    items_per_step = num_rows / len(batches)
    unequal = gradient(inputs, targets, batches, items_per_step) / len(batches)
    equal = gradient(inputs, targets, list(np.arange(num_rows).reshape(-1, 1)), 1) / num_rows
    torch.testing.assert_close(unequal, equal)


def gradient(
    inputs: torch.Tensor, targets: torch.Tensor, batches: list[np.ndarray], items_per_step: float
) -> torch.Tensor:
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for batch in batches:
        losses = (inputs[batch] @ weights - targets[batch]) ** 2
        (losses.sum() / items_per_step).backward()
    assert weights.grad is not None
    return weights.grad


# --- padding ---

ROWS: list[dict[str, Any]] = [
    {"input_ids": [5, 6, 7], "token_type_ids": [0, 0, 1], "labels": 2},
    {"input_ids": [8], "token_type_ids": [1], "labels": 0},
]
PADDING = {"input_ids": 9, "token_type_ids": 0}


def test_pads_on_the_right() -> None:
    batch = pad(ROWS, PADDING)
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "token_type_ids": [[0, 0, 1], [1, 0, 0]],
        "labels": [2, 0],
    }
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_pads_on_the_left() -> None:
    batch = pad(ROWS, PADDING, left=True)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [9, 9, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_pad_id_within_a_row_is_not_masked() -> None:
    batch = pad([{"input_ids": [9, 5, 9]}, {"input_ids": [9]}], {"input_ids": 9})
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_label_rows_of_their_own_width_are_padded_by_their_own_value() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [1, 2]}, {"input_ids": [8], "labels": [3, 4, 5, 6]}]
    batch = pad(rows, {"input_ids": 0, "labels": -100})
    assert batch["labels"].tolist() == [[1, 2, -100, -100], [3, 4, 5, 6]]
    assert batch["attention_mask"].shape == (2, 3)


@pytest.mark.parametrize(
    ("labels", "dtype", "shape"),
    [
        ([1, 0], torch.int64, (2,)),
        ([0.5, -1.0], torch.float32, (2,)),
        ([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], torch.float32, (2, 3)),
    ],
)
def test_label_dtypes_are_those_that_losses_take(
    labels: list[Any], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    rows = [{"input_ids": [5], "labels": label} for label in labels]
    batch = pad(rows, {"input_ids": 0})
    assert batch["labels"].dtype == dtype
    assert batch["labels"].shape == shape
    assert batch["labels"].tolist() == labels


def test_rows_without_labels_make_a_batch_without() -> None:
    assert pad([{"input_ids": [5]}], PADDING).keys() == {"input_ids", "attention_mask"}


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=6), st.booleans())
@modest
def test_the_mask_gives_the_rows_back(rows: list[list[int]], left: bool) -> None:
    batch = pad([{"input_ids": row} for row in rows], {"input_ids": 0}, left=left)
    kept = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
    assert kept == rows
    assert batch["input_ids"].shape == (len(rows), max(map(len, rows)))


def test_rows_that_cannot_be_shared_out_are_refused():
    """Three rows that each fill a batch are no even number of batches for two processes."""
    lengths = np.full(3, 10)
    with pytest.raises(DataError, match="3 training rows cannot be shared out evenly among 2 processes"):
        LengthBatchSampler(lengths, BatchLimits(max_rows=1, max_tokens=100), seed=0, rank=0, world_size=2)
