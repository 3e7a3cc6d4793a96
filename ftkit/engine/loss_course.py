"""Whether the losses of a run look as if it had learnt something: one warning where they do not.

A run is warned of rather than stopped, and rarely in vain: each rule leaves room for what sound runs show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FEWEST = 4  # logged losses of which anything is said; by default one is logged every ten steps
SAME = 1e-4  # relative: evaluations of weights that do not move differ by rounding, some 1e-7; a sound run's by more
GROWN = 1.25  # the last losses over the first
ERRORS = 3  # standard errors by which the last must exceed the first, too
LEARNT = 0.99  # of the loss of the best constant prediction: what is not below has learnt nothing from inputs


def loss_warning(
    log_history: Sequence[Mapping[str, Any]], *, constant_loss: float | None, learning_rate: float
) -> str | None:
    """Returns a sentence on losses that never move, grow, or end no better than without inputs; None of a sound run.

    The last quarter of the logged training losses is compared with the first tenth. Losses whose means differ by no
    more than three standard errors, estimated from how much neighbours differ, count as equal.

    Args:
        log_history: what the Trainer logged, entry by entry: `loss` of training, `eval_loss` of evaluations.
        constant_loss: of the best prediction that looks at no input, in the unit of the training losses; None where it
            is not known.
        learning_rate: of the run, named in the sentence.

    Example: training losses 4.35, 4.32, 4.36, 4.34 of 77 equally frequent labels, whose constant loss is 4.344, are no
    better than without inputs.
    """
    losses = np.array([entry["loss"] for entry in log_history if "loss" in entry], np.float64)
    evaluated = [entry["eval_loss"] for entry in log_history if "eval_loss" in entry]
    remedy = f"train.learning_rate is {learning_rate:g}"
    if _never_move(evaluated):
        return (
            f"The validation loss never moved: it is {evaluated[-1]:.4g} after each of {len(evaluated)} evaluations. "
            f"The model has learnt next to nothing. {remedy}: a higher one is the likely fix."
        )
    if len(losses) < FEWEST or not np.isfinite(losses).all():
        return None
    first, last = losses[: max(len(losses) // 10, 1)], losses[-math.ceil(len(losses) / 4) :]
    if last.mean() > max(GROWN * first.mean(), first.mean() + ERRORS * _standard_error(losses, first, last)):
        return (
            f"The training loss grew, from {first.mean():.4g} in the first steps to {last.mean():.4g} in the last "
            f"quarter of the run. {remedy}: a lower one is the likely fix, or train.warmup_steps."
        )
    if constant_loss and last.mean() >= LEARNT * constant_loss:  # 0: all targets are the same
        return (
            f"The model has learnt nothing from its inputs: its training loss is {last.mean():.4g} in the last "
            f"quarter of the run, and a constant prediction has {constant_loss:.4g}. {remedy}: it may be far too high "
            "or too low, the run too short, or the targets may not belong to their inputs."
        )
    return None


def _never_move(losses: Sequence[float]) -> bool:
    """Tells whether several losses of the same rows are the same number."""
    return len(losses) > 1 and losses[-1] > 0 and max(losses) - min(losses) <= SAME * abs(losses[-1])


def _standard_error(losses: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """Returns that of the difference of two means, from the scatter of neighbours, which a trend hardly moves."""
    scatter = math.sqrt(float(np.mean(np.diff(losses) ** 2)) / 2)
    return scatter * math.sqrt(1 / len(first) + 1 / len(last))
