"""The scorer of a model that goes on writing: by totals over tokens, and by what it writes where that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.spec import PAIR, MetricEntry, MetricGroup


class NextTokenScorer(BaseScorer):
    """Scores totals over tokens (`compute_totals`), and written texts (N,) (`compute`)."""

    def __init__(self, names: Sequence[str], group: MetricGroup) -> None:
        """Checks the names and loads external metrics.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        super().__init__(names, group)
        self.reads_predictions = bool(self._external) or any(map(_reads_texts, self._built_in.values()))

    def _entries(self, inputs: Inputs) -> Mapping[str, MetricEntry]:
        """Returns the metrics that read texts where there are some, else those that read totals."""
        has_texts = set(PAIR) <= inputs.keys()
        return {name: entry for name, entry in self._built_in.items() if _reads_texts(entry) == has_texts}

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        written: list[Any] = list(predictions)  # type: ignore[arg-type]
        expected: list[Any] = list(references)  # type: ignore[arg-type]
        return {"predictions": written, "references": expected, "rouge_references": "max"}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        texts = ["It stands by the sea.", "Nobody lives there."]
        return texts, texts, None


def _reads_texts(entry: MetricEntry) -> bool:
    return set(PAIR) <= set(entry.inputs)
