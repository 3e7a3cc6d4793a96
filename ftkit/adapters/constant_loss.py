"""The loss of the best prediction that looks at no input: what a model that has learnt nothing else comes to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def constant_cross_entropy(
    counts_L: np.ndarray, *, weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> float:
    """Returns the cross-entropy, per item, of the probabilities that fit best if they are the same for all items.

    Without weights and smoothing these are the shares of the labels, and it is their entropy: 0.693 for two labels
    with (50, 50) items, 0.325 for (90, 10).

    Args:
        counts_L: items of each label, (L,).
        weights: of each label, as torch.nn.functional.cross_entropy takes them.
        label_smoothing: likewise.
    """
    weights_L = np.ones(len(counts_L)) if weights is None else np.asarray(weights, np.float64)
    # The loss is the sum of -a log p over the labels, which is least where p is proportional to a.
    shares_L = counts_L / counts_L.sum()
    # Of an item with label y, smoothing puts 1/L of the target, times the weight of its label, on each label.
    a_L = weights_L * ((1 - label_smoothing) * shares_L + label_smoothing / len(counts_L))
    a_L = a_L[a_L > 0]
    return float(-(a_L * np.log(a_L / a_L.sum())).sum())


def constant_binary_cross_entropy(
    counts_L: np.ndarray, num_rows: int, *, weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> float:
    """Returns likewise the mean binary cross-entropy over labels of which a row has several.

    Args:
        counts_L: rows that have each label, (L,).
        weights: of the yes of each label.
        label_smoothing: moves yes and no towards one half.
    """
    yes_L = counts_L / num_rows * (1 - label_smoothing) + label_smoothing / 2
    no_L = 1 - yes_L
    yes_L = yes_L * (1.0 if weights is None else np.asarray(weights, np.float64))
    pairs_2L = np.stack([yes_L, no_L])
    with np.errstate(divide="ignore", invalid="ignore"):
        losses_2L = np.where(pairs_2L > 0, -pairs_2L * np.log(pairs_2L / pairs_2L.sum(axis=0)), 0.0)
    return float(losses_2L.sum(axis=0).mean())
