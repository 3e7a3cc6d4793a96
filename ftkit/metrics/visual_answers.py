"""Exact match of short answers about images, by the normalization of VQA."""

from __future__ import annotations

from collections.abc import Sequence

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.normalized_answers import normalized
from ftkit.metrics.translation import texts_of

SIGNATURE = "case:lc|punct:dropped|numbers:digits|articles:dropped|refs:any"

_TEXT = datasets.Value("string")


class VqaExactMatch(ArrayMetric):
    """The share of answers that are one of those expected, after VQA's normalization."""

    description_text = "From 0 to 1."
    citation_text = "Antol et al. (2015), 1505.00468."
    inputs_text = """
Args:
    predictions: texts.
    references: as many texts; where a row has several, they are a tuple.
"""
    input_features = (datasets.Features({"predictions": _TEXT, "references": _TEXT}),)

    def _compute(self, predictions: Sequence[str], references: Sequence[str | tuple[str, ...]]) -> Scores:
        self.notes = {}
        self.details = {"exact_match_signature": SIGNATURE}
        if not predictions:
            return self._undefined(("exact_match",), "there are no rows")
        pairs = zip(predictions, references, strict=True)
        hits = sum(normalized(text) in set(map(normalized, texts_of(expected))) for text, expected in pairs)
        return {"exact_match": hits / len(predictions)}
