"""The scorers of candidates: of lists in an order, and of the one that is right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.errors import DataError
from ftkit.metrics.base_scorer import BaseScorer, Inputs


class RankingScorer(BaseScorer):
    """Scores of candidates, (N,) of arrays (K,), against relevances in the same shape."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        predicted: list[Any] = list(predictions)  # type: ignore[arg-type]
        expected: list[Any] = list(references)  # type: ignore[arg-type]
        if [len(one) for one in predicted] != [len(one) for one in expected]:
            raise DataError("predictions and references differ in length; expected a score for each candidate.")
        return {"predictions": predicted, "references": expected}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        scores = [np.array([0.9, 0.1]), np.array([0.2, 0.8, 0.1])]
        return scores, [np.array([1.0, 0.0]), np.array([0.0, 1.0, 0.0])], None


class ChoiceScorer(BaseScorer):
    """Positions of chosen candidates (N,), against those of the right ones."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {"predictions": np.asarray(predictions), "references": np.asarray(references)}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        positions = np.array([0, 1, 2])
        return positions, positions, None
