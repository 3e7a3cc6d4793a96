"""A logged loss is the mean over the items of the steps it is of, however many they have."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from ftkit.engine.batching import StepSize
from ftkit.engine.logged_loss import LoggedLoss
from ftkit.engine.step_plan import StepPlan
from tiny_training import TinyRuns, assert_same

UNEQUAL = StepSize(rows=6, cost=None, max_cost_at_once=math.inf)  # 16 texts: steps of 6, 5 and 5


@pytest.fixture
def runs(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRuns:
    return TinyRuns(checkpoint("bert"), tmp_path, monkeypatch, size=UNEQUAL)


def test_each_step_s_loss_is_the_mean_over_its_rows(runs: TinyRuns) -> None:
    trained = runs.train("run", num_train_epochs=1, learning_rate=1e-12, logging_steps=1, save_strategy="no")
    batch = runs.adapter.preprocessor.collate(runs.rows.rows.__getitems__(range(16)), training=False, rngs=None)
    with torch.no_grad():
        losses = runs.adapter.objective.loss(trained.model.eval()(**batch.inputs), batch).numpy()
    logged = [entry["loss"] for entry in trained.log_history if "loss" in entry]
    steps = StepPlan(runs.rows.costs, UNEQUAL, seed=42, num_ranks=1, num_micro_batches=1).steps(0)
    assert sorted(map(len, steps)) == [5, 5, 6]
    assert logged == pytest.approx([float(losses[step].mean()) for step in steps], rel=1e-4)


@pytest.mark.parametrize("killed_at", [1, 4])
def test_a_resumed_run_logs_the_same(runs: TinyRuns, killed_at: int) -> None:
    settings = {"save_strategy": "steps", "save_steps": 1, "num_train_epochs": 2, "logging_steps": 2}
    whole = runs.train("whole", **settings)
    runs.interrupt("killed", at=killed_at, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))


def test_items_that_an_earlier_release_did_not_count_change_nothing() -> None:
    logged = LoggedLoss(4.0, Accelerator(cpu=True))
    logged.restore(2, None)
    logged.count(6)
    assert logged.num_items() is None
    assert logged.per_item(0.5, 4) == 0.5
    logged.count(6)
    assert logged.per_item(0.75, 5) == 0.5
