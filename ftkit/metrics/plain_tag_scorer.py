"""The scorer of tags that stand for themselves, such as parts of speech."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.label_arrays import Array
from ftkit.metrics.table import MetricGroup
from ftkit.types import LabelSpace


class PlainTagScorer(BaseScorer):
    """Scores the tags of sentences, (N,) of arrays (W,), each word by itself.

    Attributes:
        labels: tags in the order of the model's outputs.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, labels: LabelSpace) -> None:
        """Checks the names and loads external metrics.

        Args:
            labels: tags in the order of the model's outputs.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        self.labels = labels
        super().__init__(names, group)

    @property
    def _subject(self) -> str:
        return f"{self.group.name} with {len(self.labels)} tags"

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        return {"predictions": self._tags(predictions), "references": self._tags(references)}

    def _tags(self, sentences: ArrayLike) -> list[list[str]]:
        names: Array = np.asarray(self.labels.names, object)
        return [names[np.asarray(ids, np.int64)].tolist() for ids in sentences]  # type: ignore[union-attr]

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        sentences = [range(len(self.labels)), [0]]
        return sentences, sentences, None

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
