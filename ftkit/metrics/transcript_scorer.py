"""The scorer of what a model has heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.spec import MetricGroup
from ftkit.metrics.transcripts import Form, require_jiwer


class TranscriptScorer(BaseScorer):
    """Scores transcripts (N,).

    Attributes:
        normalize: the form in which transcripts are compared.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, normalize: Form = "basic") -> None:
        """Checks the names.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be used.
        """
        self.normalize = normalize
        super().__init__(names, group)
        if self._built_in:
            require_jiwer()

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        heard: list[Any] = list(predictions)  # type: ignore[arg-type]
        said: list[Any] = list(references)  # type: ignore[arg-type]
        return {"predictions": heard, "references": said, "normalize": self.normalize}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        texts = ["she sells sea shells", "by the sea shore"]
        return texts, texts, None
