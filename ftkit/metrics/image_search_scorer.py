"""The scorer of images and texts that look for one another."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ftkit.errors import DataError
from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.image_search import ranks_both_ways


class ImageSearchScorer(BaseScorer):
    """Vectors of each row's image and texts, (N,) of (1 + K, D), against what tells equal ones, (N,) of (1 + K,)."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        vectors: list[Any] = list(predictions)  # type: ignore[arg-type]
        keys: list[Any] = list(references)  # type: ignore[arg-type]
        if list(map(len, vectors)) != list(map(len, keys)):
            raise DataError("predictions and references differ in length; expected a vector for each image and text.")
        images, texts = ranks_both_ways(vectors, keys)
        return {"image_to_text": images.best, "text_to_image": texts.best}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        raise AssertionError("no external metric reads vectors")
