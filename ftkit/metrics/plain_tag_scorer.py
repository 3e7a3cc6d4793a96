"""The scorer of tags that stand for themselves, such as parts of speech."""

from __future__ import annotations

import itertools
from typing import Any

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import Inputs
from ftkit.metrics.sentence_scorer import SentenceScorer


class PlainTagScorer(SentenceScorer):
    """Scores the tags of sentences, (N,) of arrays (W,), each word by itself."""

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {"predictions": self._tags(predictions), "references": self._tags(references)}

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("per_label",)

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns `per_label`: tag -> `{"precision", "recall", "f1", "support"}`.

        The recall of a tag is its accuracy: the share of its words that got it.
        """
        # Here and not above: it imports datasets, which only computing needs.
        from ftkit.metrics.entities import tag_rows

        expected, predicted = (list(itertools.chain(*inputs[name])) for name in ("references", "predictions"))
        return {"per_label": tag_rows(expected, predicted, self.labels.names) if expected else {}}
