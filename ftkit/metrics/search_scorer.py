"""The scorer of vectors: each anchor looks for its positives among the second texts of all rows."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ftkit.errors import DataError
from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.search import margins_of, ranks_of


class SearchScorer(BaseScorer):
    """Vectors of each row's texts, (N,) of (K, D), dense or sparse, against what tells equal texts, (N,) of (K,)."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        vectors: list[Any] = list(predictions)  # type: ignore[arg-type]
        texts: list[Any] = list(references)  # type: ignore[arg-type]
        if [one.shape[0] for one in vectors] != [len(one) for one in texts]:
            raise DataError("predictions and references differ in length; expected a vector for each text.")
        return {"ranks": ranks_of(vectors, texts)[0], "margins": margins_of(vectors)}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        raise AssertionError("no external metric reads vectors")
