"""The scorer of what is judged by its loss, and by what else adds up over rows, such as hits of tokens."""

from __future__ import annotations

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs


class LossScorer(BaseScorer):
    """Reads totals alone: `compute_totals`. An evaluation adds the loss itself to what a scorer finds."""

    reads_predictions = False

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {}  # nothing is predicted
