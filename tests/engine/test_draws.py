"""What is drawn in the passes of a step, such as dropout masks, depends on seed, step and rank alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback, TrainingArguments

import tiny
from ftkit.engine.pass_state import seed_draws
from tiny_training import TinyRuns


def drawn(*, seed: int = 0, step: int = 0, rank: int = 0) -> tuple[float, float, float]:
    """Returns what Python, NumPy and PyTorch draw next."""
    seed_draws(seed, step, rank)
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_another_seed_step_or_rank_draws_something_else() -> None:
    found = [drawn(), drawn(seed=1), drawn(step=1), drawn(rank=1), drawn(step=1, rank=1), drawn(rank=2**16)]
    for numbers in zip(*found, strict=True):
        assert len(set(numbers)) == len(found)
    assert drawn(step=1) == found[2], "and a step that is taken again draws the same"


class Between(TrainerCallback):
    """Draws a number after each step, as an evaluation may."""

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        torch.rand(1)


class RankOne(TrainerCallback):
    """Makes of the only rank the second one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.monkeypatch.setattr(TrainingArguments, "process_index", 1)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRuns:
    checkpoint = tiny.make_checkpoint("bert", tmp_path / "dropout", dropout=0.2)
    return TinyRuns(checkpoint, tmp_path, monkeypatch)


def weights(runs: TinyRuns, name: str, *callbacks: TrainerCallback) -> torch.Tensor:
    """Returns the weights after three steps with dropout."""
    model = runs.train(name, callbacks=callbacks, max_steps=3, save_strategy="no").model
    return torch.cat([weight.flatten() for weight in model.state_dict().values() if weight.is_floating_point()])


def test_what_is_drawn_between_steps_makes_no_difference(runs: TinyRuns) -> None:
    assert torch.equal(weights(runs, "alone"), weights(runs, "between", Between()))


def test_ranks_draw_different_masks(runs: TinyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    first = weights(runs, "first")
    with monkeypatch.context() as patch:
        second = weights(runs, "second", RankOne(patch))
    assert (first - second).abs().max() > 1e-3, "the rows are the same"
