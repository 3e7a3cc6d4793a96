"""The batches of prediction and evaluation: as large as config and device suggest, with little padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftkit.adapters.objectives.generation import GenerationObjective
from ftkit.adapters.objectives.labels import LabelObjective
from ftkit.config.run_config import load_config
from ftkit.engine.batching import BatchLimits, cut, padding_share
from ftkit.engine.predicting import CPU_BATCH_COST, CPU_COST, cost_batches, prediction_limits

CONFIG: dict[str, Any] = {
    "task": "text-classification",
    "model": {"checkpoint": "x"},
    "data": {"train": "a.csv"},
    "output_dir": "runs/x",
}


def limits(train: dict[str, int], device_type: str = "cpu", *, objective: Any = LabelObjective) -> BatchLimits:
    config = load_config({**CONFIG, "train": train})
    return prediction_limits(config.train, objective, device_type=device_type)


def test_a_cpu_gets_small_batches_and_a_gpu_full_ones() -> None:
    assert limits({}) == BatchLimits(math.inf, CPU_COST, CPU_BATCH_COST)
    assert limits({}, "cuda") == BatchLimits(math.inf, 16_384)
    assert limits({"max_tokens_per_batch": 512}).max_cost == 512
    assert limits({"max_tokens_per_batch": 8_192}, "cuda").max_cost == 8_192


@pytest.mark.parametrize(("device", "max_cost"), [("cpu", 4_096), ("cuda", 16_384)])
def test_rows_are_bounded_where_a_config_says_so_and_where_texts_are_written(device: str, max_cost: int) -> None:
    assert limits({"per_device_eval_batch_size": 8}, device) == BatchLimits(8, max_cost)
    assert limits({}, device, objective=GenerationObjective) == BatchLimits(64, max_cost)
    assert limits({"per_device_eval_batch_size": 8}, device, objective=GenerationObjective).max_rows == 8


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80),
    st.sampled_from([BatchLimits(math.inf, 100, 16.0), BatchLimits(5, 100), BatchLimits(math.inf, 40)]),
)
def test_every_row_is_in_one_batch_within_the_limits(costs: list[int], within: BatchLimits) -> None:
    rows = np.arange(3, 3 + len(costs))  # a window that does not begin at the first row
    all_costs = np.array([7, 7, 7, *costs])
    batches = cost_batches(all_costs, rows, within)
    assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
    longest = [int(all_costs[batch].max()) for batch in batches]
    assert longest == sorted(longest)
    for batch, widest in zip(batches, longest, strict=True):
        assert len(batch) <= within.max_rows
        assert len(batch) == 1 or len(batch) * widest <= within.max_cost


def test_sizes_of_batches_recur_where_there_are_many() -> None:
    sizes = set()
    for seed in range(10):
        costs = np.random.default_rng(seed).integers(5, 60, 4_096)
        batches = cost_batches(costs, np.arange(4_096), limits({}))
        assert padding_share(costs, batches) < 0.03
        sizes |= {len(batch) * int(costs[batch].max()) for batch in batches}
    assert len(sizes) < 100, "one for most lengths, and one for the rest of each window"


def test_a_few_texts_of_many_lengths_are_hardly_padded() -> None:
    costs = np.random.default_rng(0).integers(5, 60, 64)
    rows = np.arange(64)
    full = padding_share(costs, cut(costs, np.argsort(costs), BatchLimits(64, 4_096)))
    found = padding_share(costs, cost_batches(costs, rows, limits({})))
    assert full > 0.4
    assert found < 0.12
