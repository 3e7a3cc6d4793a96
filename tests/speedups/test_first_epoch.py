"""Which rows the first epoch computes together."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from ftkit.engine.batching import StepSize
from ftkit.engine.step_plan import MicroBatchSampler, StepPlan
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.speedups.first_epoch import FirstEpoch
from ftkit.types import LabelSpace

IN_PARTS = StepSize(rows=6, cost=None, max_cost_at_once=math.inf, part_cost=5)


@pytest.mark.parametrize(("num_ranks", "num_micro_batches"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_parts_are_those_that_training_computes(
    checkpoint: Callable[[str], Path], num_ranks: int, num_micro_batches: int
) -> None:
    adapter = tiny.make_adapter(checkpoint("bert"), LabelSpace(tuple(sorted({label for _, label in tiny.EXAMPLES}))))
    rows = adapter.preprocessor.encode(tiny.make_split(*zip(*tiny.EXAMPLES, strict=True)).examples, targets=True)
    plan = StepPlan(rows.costs, IN_PARTS, seed=3, num_ranks=num_ranks, num_micro_batches=num_micro_batches)
    first = FirstEpoch(rows, adapter.preprocessor, plan)
    collator, seen = PartsCollator(adapter.preprocessor, rows.costs, IN_PARTS, seed=3), []
    for rank in range(num_ranks):
        for wanted in MicroBatchSampler(plan, rank=rank):
            for part in collator(TrainingRows(rows).__getitems__(wanted))[PARTS]:
                assert part.epoch == 0
                for row in part.row_indices.tolist():
                    assert first.part_of(row).tolist() == part.row_indices.tolist()
                again = first.batch(part.row_indices.tolist())
                assert again.row_indices.tolist() == part.row_indices.tolist()
                assert {name: tensor.tolist() for name, tensor in again.inputs.items()} == {
                    name: tensor.tolist() for name, tensor in part.inputs.items()
                }
                seen += part.row_indices.tolist()
    assert sorted(seen) == list(range(len(tiny.EXAMPLES)))
    assert len({len(first.part_of(row)) for row in range(len(seen))}) > 1
