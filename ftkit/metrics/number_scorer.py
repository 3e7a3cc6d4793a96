"""The scorer of regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs


class NumberScorer(BaseScorer):
    """Scores numbers (N,)."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {"predictions": np.asarray(predictions), "references": np.asarray(references)}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        numbers = np.array([0.0, 0.5, 1.0])
        return numbers, numbers, None
