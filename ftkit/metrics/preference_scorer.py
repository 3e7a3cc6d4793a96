"""The scorer of pairs of answers: by totals over pairs, and by the margins that simple methods find."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.spec import MetricEntry


class PreferenceScorer(BaseScorer):
    """Scores totals over pairs (`compute_totals`), and margins, chosen less rejected, (N,) (`compute`)."""

    reads_predictions = False

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        margins = np.asarray(predictions, np.float64)
        return {"num_right": float((margins > 0).sum() + (margins == 0).sum() / 2), "items": float(len(margins))}

    def _entries(self, inputs: Inputs) -> Mapping[str, MetricEntry]:
        """Returns the metrics whose inputs are there: of margins alone that is their sign."""
        return {name: entry for name, entry in self._built_in.items() if set(entry.inputs) <= inputs.keys()}
