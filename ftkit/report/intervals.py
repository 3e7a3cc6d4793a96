"""How sure a score is: 95% intervals, and what a model without any skill would reach."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ftkit.report.content import EvaluatedSplit

Statistic = Callable[[np.ndarray, np.ndarray], float]

_Z = 1.959964  # the 97.5% quantile of the normal distribution
_NUM_DRAWS = 1000
# Beyond this many values a thousand draws take longer than a few seconds, and the interval is narrow anyway.
_MAX_VALUES = 100_000
# A draw misses a label of n rows with probability e^-n, and macro F1 then counts a zero that is no mistake.
_MIN_SUPPORT = 10


def interval(
    split: EvaluatedSplit, metric: str, value: float | None, *, num_labels: int
) -> tuple[float, float] | None:
    """Returns the 95% interval of a score over rows drawn anew, or None where no sound one is known.

    Accuracy: Wilson (1927), JASA 22(158). Others: percentile bootstrap (Efron, 1979, Annals of Statistics
    7(1)), seeded, and only if the statistic computed here is the score that was reported.

    Example: 9 of 10 rows right: (0.596, 0.982).
    """
    if value is None or not len(split):
        return None
    if metric == "accuracy":
        return wilson(value, len(split))
    if split.predictions.size > _MAX_VALUES:
        return None
    statistic = _statistic(split, metric, num_labels)
    if statistic is None:
        return None
    predictions, references = split.predictions, split.references
    if not math.isclose(statistic(predictions, references), value, rel_tol=1e-4, abs_tol=1e-6):
        return None
    return _bootstrap(statistic, predictions, references)


def wilson(share: float, num_rows: int) -> tuple[float, float]:
    """Returns Wilson's interval of a share of rows; unlike the normal one it holds near 0 and 1."""
    spread = _Z**2 / num_rows
    center = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / num_rows + spread / (4 * num_rows))
    return max(0.0, center - half), min(1.0, center + half)


def _bootstrap(statistic: Statistic, predictions: np.ndarray, references: np.ndarray) -> tuple[float, float] | None:
    generator = np.random.default_rng(0)
    draws = np.empty(_NUM_DRAWS)
    for draw in range(_NUM_DRAWS):
        rows = generator.integers(len(predictions), size=len(predictions))
        draws[draw] = statistic(predictions[rows], references[rows])
    if not np.isfinite(draws).all():
        return None
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _statistic(split: EvaluatedSplit, metric: str, num_labels: int) -> Statistic | None:
    if split.references.ndim == 1 and split.references.dtype.kind == "f":
        return _ERRORS.get(metric)
    is_binary = split.references.ndim == 1 and num_labels == 2
    if metric == "f1_micro":
        return lambda predictions, references: _micro_f1(_counts(predictions, references, num_labels))
    if metric == "f1" and is_binary:
        return lambda predictions, references: float(_f1(_counts(predictions, references, num_labels))[1])
    if (
        metric not in ("f1", "f1_macro")
        or _counts(split.predictions, split.references, num_labels)[2].min() < _MIN_SUPPORT
    ):
        return None
    return lambda predictions, references: float(_f1(_counts(predictions, references, num_labels)).mean())


_ERRORS: dict[str, Statistic] = {
    "mse": lambda predictions, references: float(np.mean((predictions - references) ** 2)),
    "rmse": lambda predictions, references: float(np.sqrt(np.mean((predictions - references) ** 2))),
    "mae": lambda predictions, references: float(np.mean(np.abs(predictions - references))),
}


def _counts(predictions: np.ndarray, references: np.ndarray, num_labels: int) -> np.ndarray:
    """Returns hits, predicted and support of each label, (3, L)."""
    if references.ndim == 2:
        hits = (predictions != 0) & (references != 0)
        return np.stack([np.count_nonzero(rows, axis=0) for rows in (hits, predictions, references)])
    rows = (references[predictions == references], predictions, references)
    return np.stack([np.bincount(row, minlength=num_labels) for row in rows])


def _f1(counts: np.ndarray) -> np.ndarray:
    hits, predicted, support = counts
    return 2 * hits / np.maximum(predicted + support, 1)


def _micro_f1(counts: np.ndarray) -> float:
    return float(_f1(counts.sum(axis=1, keepdims=True))[0])


def baseline(split: EvaluatedSplit, metric: str) -> float | None:
    """Returns what always the same answer would score on the split, where that is known.

    Accuracy of single labels: always the most frequent one. Errors of numbers: always the mean of the split.
    """
    references = split.references
    if metric == "accuracy" and references.ndim == 1 and references.dtype.kind in "iu":
        return float(np.bincount(references).max() / len(references))
    if metric in ("mse", "rmse") and references.ndim == 1 and references.dtype.kind == "f":
        return _ERRORS[metric](np.full_like(references, references.mean()), references)
    return None
