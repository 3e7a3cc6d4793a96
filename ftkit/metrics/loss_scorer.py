"""The scorer of what is judged by its loss alone."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs


class LossScorer(BaseScorer):
    """Computes nothing: an evaluation adds the loss to what a scorer finds."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {}
