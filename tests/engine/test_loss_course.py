"""Losses that never move, grow, or end no better than without inputs are told; sound runs are left alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from ftkit.engine.loss_course import loss_warning


def log_of(losses: Sequence[float], evaluated: Sequence[float] = ()) -> list[dict[str, Any]]:
    found = [{"loss": loss, "step": 10 * number} for number, loss in enumerate(losses, 1)]
    return [*found, *({"eval_loss": loss} for loss in evaluated)]


def test_few_logged_losses_say_nothing() -> None:
    assert loss_warning(log_of([1.0, 5.0, 9.0]), constant_loss=0.1, learning_rate=1.0) is None
    assert loss_warning([], constant_loss=0.1, learning_rate=1.0) is None


def test_equal_evaluations_are_told_and_a_perfect_score_is_not() -> None:
    told = loss_warning(log_of([], [2.30259, 2.30259, 2.30258]), constant_loss=None, learning_rate=1e-12)
    assert told is not None
    assert told.startswith("The validation loss never moved: it is 2.303 after each of 3 evaluations.")
    assert "train.learning_rate is 1e-12: a higher one" in told
    assert loss_warning(log_of([], [0.0, 0.0]), constant_loss=None, learning_rate=1e-3) is None
    assert loss_warning(log_of([], [2.303]), constant_loss=None, learning_rate=1e-3) is None
    assert loss_warning(log_of([], [2.303, 2.302]), constant_loss=None, learning_rate=1e-3) is None


def test_a_loss_that_only_scatters_has_not_grown() -> None:
    """A checkpoint that knew the task already: where its losses lie is where they lay."""
    scatter = [0.05, 0.09, 0.04, 0.11, 0.05, 0.08, 0.10, 0.06]
    assert loss_warning(log_of(scatter), constant_loss=2.3, learning_rate=1e-5) is None
    grown = [0.05, 0.06, 0.2, 0.4, 0.6, 0.9, 1.1, 1.3]
    told = loss_warning(log_of(grown), constant_loss=2.3, learning_rate=1e-2)
    assert told is not None
    assert told.startswith("The training loss grew, from 0.05 in the first steps to 1.2 in the last quarter of")


def test_the_example_of_the_docstring() -> None:
    told = loss_warning(log_of([4.35, 4.32, 4.36, 4.34]), constant_loss=math.log(77), learning_rate=1e-12)
    assert told is not None
    assert "its training loss is 4.34 in the last quarter of the run, and a constant prediction has 4.344" in told
    assert loss_warning(log_of([4.35, 4.32, 4.36, 4.34]), constant_loss=None, learning_rate=1e-12) is None


def test_losses_that_are_none_are_left_to_the_guard() -> None:
    assert loss_warning(log_of([1.0, math.nan, 1.0, 1.0]), constant_loss=0.1, learning_rate=1.0) is None


@pytest.mark.parametrize("constant_loss", [0.0, None])
def test_a_run_that_learns_nothing_else_than_one_label_is_left_alone(constant_loss: float | None) -> None:
    assert loss_warning(log_of([0.5, 0.1, 0.01, 0.0]), constant_loss=constant_loss, learning_rate=1.0) is None
