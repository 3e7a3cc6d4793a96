"""A run goes on in the optimizer steps in which it began, or is told how it would."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.engine.batching import StepSize
from ftkit.engine.checkpoints import MANIFEST
from ftkit.engine.global_batch import GLOBAL_BATCH_FILE, GlobalBatch, check_same_steps
from ftkit.engine.step_plan import StepPlan
from ftkit.errors import ConfigError

SHORT, LONG = np.random.default_rng(0).integers((3, 200), (30, 500), (1_000, 2)).T
"""Lengths of texts: 32 of them take 500 tokens, or 11,000."""


def plan(
    num_ranks: int, num_micro_batches: int = 1, *, rows: int | None = None, cost: int | None = None, costs: Any = SHORT
) -> StepPlan:
    size = StepSize(rows, cost, math.inf)
    return StepPlan(costs, size, seed=0, num_ranks=num_ranks, num_micro_batches=num_micro_batches)


def checkpoint_of(folder: Path, before: StepPlan) -> Path:
    """Returns a folder of checkpoints, the newest of which a run with these steps has saved."""
    (folder / "checkpoint-7").mkdir()
    GlobalBatch.of(before).save(folder / "checkpoint-7")
    (folder / "checkpoint-7" / MANIFEST).touch()
    (folder / "checkpoint-9").mkdir()  # which was never finished
    return folder


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    before = GlobalBatch.of(plan(2, 4, rows=8))
    assert before == GlobalBatch(2, 4, rows=8, cost=None, steps_per_epoch=16, is_by_cost=False)
    before.save(tmp_path)
    assert GlobalBatch.load(tmp_path) == before


def test_it_is_told_in_words() -> None:
    assert GlobalBatch.of(plan(2, 4, rows=8)).told() == (
        "2 processes x 4 accumulated x 8 rows, 64 rows in an optimizer step, 16 steps an epoch"
    )
    assert GlobalBatch.of(plan(1, rows=32, cost=4_096, costs=LONG)).told() == (
        "1 process x 4,096 tokens, 4,096 tokens in an optimizer step, 87 steps an epoch"
    )


@pytest.mark.parametrize("now", [plan(4, rows=8), plan(1, 4, rows=8), plan(1, rows=32), plan(32, rows=1)])
def test_equal_steps_go_on_and_another_number_of_processes_is_told(
    tmp_path: Path, now: StepPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    check_same_steps(checkpoint_of(tmp_path, plan(4, rows=8)), now)
    told = " ".join(capsys.readouterr().err.split())
    assert (f"saved by 4 processes, gone on with by {now.num_ranks}: optimizer steps stay" in told) == (
        now.num_ranks != 4
    )


def test_rows_that_are_compared_stay_together(tmp_path: Path) -> None:
    """Steps of as many rows are others where these lie in fewer or more micro-batches."""

    def whole(num_ranks: int, num_micro_batches: int, rows: int) -> StepPlan:
        size = StepSize(rows, None, math.inf, is_whole=True)
        return StepPlan(SHORT, size, seed=0, num_ranks=num_ranks, num_micro_batches=num_micro_batches)

    checkpoints = checkpoint_of(tmp_path, whole(2, 2, 8))
    check_same_steps(checkpoints, whole(4, 1, 8))
    with pytest.raises(ConfigError, match=r"takes the same\s+steps: say train\.gradient_accumulation_steps=4"):
        check_same_steps(checkpoints, whole(1, 1, 8))
    with pytest.raises(ConfigError):
        check_same_steps(checkpoints, whole(1, 1, 32))


# The defaults are 32 rows or 4,096 tokens, whichever makes more steps.
BY_DEFAULT: dict[str, int] = {"rows": 32, "cost": 4_096}


@pytest.mark.parametrize(
    ("before", "now", "fix"),
    [
        (plan(4, rows=8), plan(1, rows=8), "train.gradient_accumulation_steps=4"),
        (plan(4, 2, rows=8), plan(2, 2, rows=8), "train.gradient_accumulation_steps=4"),
        (plan(2, 2, rows=8), plan(4, 2, rows=8), "train.gradient_accumulation_steps=1"),
        (plan(2, rows=8), plan(4, rows=8), "train.per_device_train_batch_size=4"),
        (plan(4, **BY_DEFAULT), plan(2, **BY_DEFAULT), "train.gradient_accumulation_steps=2"),
        (plan(4, **BY_DEFAULT), plan(8, **BY_DEFAULT), "train.per_device_train_batch_size=16"),
        (plan(4, **BY_DEFAULT, costs=LONG), plan(8, **BY_DEFAULT, costs=LONG), "train.max_tokens_per_batch=2048"),
        (plan(4, cost=900), plan(3, 2, cost=900), "train.max_tokens_per_batch=600"),
        (plan(4, cost=900), plan(7, 2, cost=900), None),
        (plan(3, rows=9), plan(2, 3, rows=9), None),
    ],
)
def test_other_steps_are_refused_with_the_numbers_and_what_keeps_them(
    tmp_path: Path, before: StepPlan, now: StepPlan, fix: str | None
) -> None:
    with pytest.raises(ConfigError) as told:
        check_same_steps(checkpoint_of(tmp_path, before), now)
    message = str(told.value)
    assert f"The run began with {GlobalBatch.of(before).told()}; now it would be " in message
    assert f"now it would be {GlobalBatch.of(now).told()}." in message
    if fix is None:
        assert f": start {before.num_ranks} processes with the settings of before. Or" in message
        return
    assert f": say {fix}. Or begin anew with overwrite=true" in message
    check_same_steps(tmp_path, followed(now, fix))


def followed(now: StepPlan, fix: str) -> StepPlan:
    """Returns the plan of the same run with overrides, as settings of training lead to it."""
    said = {name: int(value) for name, value in re.findall(r"train\.(\w+)=(\d+)", fix)}
    rows, cost = said.get("per_device_train_batch_size"), said.get("max_tokens_per_batch")
    size = {"rows": rows, "cost": cost} if rows or cost else {"rows": now.size.rows, "cost": now.size.cost}
    count = said.get("gradient_accumulation_steps", now.num_micro_batches)
    return plan(now.num_ranks, count, **size, costs=now.costs)


@pytest.mark.parametrize("content", [None, "{}", "[1]", '{"rows": 8}', "{"])
def test_a_checkpoint_that_does_not_say_it_is_gone_on_with_and_told_where_rows_are_dealt_out(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint_of(tmp_path, plan(2, rows=8))
    file = folder / "checkpoint-7" / GLOBAL_BATCH_FILE
    file.unlink() if content is None else file.write_text(content)
    check_same_steps(folder, plan(1, rows=8))
    assert capsys.readouterr().err == ""
    check_same_steps(folder, plan(2, rows=8))
    assert "does not say what its optimizer steps hold" in capsys.readouterr().err


def test_nothing_is_compared_where_nothing_has_been_saved(tmp_path: Path) -> None:
    check_same_steps(tmp_path, plan(2, rows=8))
