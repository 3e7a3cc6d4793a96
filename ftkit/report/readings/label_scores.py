"""How sure accuracy and F1 of labels are, one label a row or several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ftkit.report.content import EvaluatedSplit
from ftkit.report.intervals import Interval, bootstrap, wilson

Statistic = Callable[[np.ndarray, np.ndarray], float]

# Beyond this many values a thousand draws take longer than a few seconds, and the interval is narrow anyway.
MAX_VALUES = 100_000
# A draw misses a label of n rows with probability e^-n, and macro F1 then counts a zero that is no mistake.
_MIN_SUPPORT = 10


def label_interval(
    split: EvaluatedSplit, metric: str, value: float | None, *, num_labels: int, positive: int = 1
) -> Interval | None:
    """Returns the 95% interval of a score of labels, or None where no sound one is known.

    Args:
        split: with label ids (N,), or indicators (N, L).
        value: the score that was reported.
        positive: the id of the positive one of two labels.
    """
    if value is None or not len(split):
        return None
    if metric == "accuracy":
        return wilson(value, len(split))
    statistic = _statistic(split, metric, num_labels, positive)
    if statistic is None or split.predictions.size > MAX_VALUES:
        return None
    return bootstrap(
        lambda rows: statistic(split.predictions[rows], split.references[rows]), len(split), reported=value
    )


def _statistic(split: EvaluatedSplit, metric: str, num_labels: int, positive: int) -> Statistic | None:
    is_binary = split.references.ndim == 1 and num_labels == 2
    if metric == "f1_micro":
        return lambda predictions, references: _micro_f1(_counts(predictions, references, num_labels))
    if metric == "f1" and is_binary:
        return lambda predictions, references: float(_f1(_counts(predictions, references, num_labels))[positive])
    if (
        metric not in ("f1", "f1_macro")
        or _counts(split.predictions, split.references, num_labels)[2].min() < _MIN_SUPPORT
    ):
        return None
    return lambda predictions, references: float(_f1(_counts(predictions, references, num_labels)).mean())


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
