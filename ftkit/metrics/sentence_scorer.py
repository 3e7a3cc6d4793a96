"""What scorers of tags share: sentences of tag ids become lists of tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer
from ftkit.metrics.label_arrays import Array
from ftkit.metrics.spec import MetricGroup
from ftkit.types import LabelSpace


class SentenceScorer(BaseScorer):
    """Scores the tags of sentences, (N,) of arrays (W,).

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

    def _tags(self, sentences: ArrayLike) -> list[list[str]]:
        names: Array = np.asarray(self.labels.names, object)
        return [names[np.asarray(ids, np.int64)].tolist() for ids in sentences]  # type: ignore[union-attr]

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        sentences = [range(len(self.labels)), [0]]
        return sentences, sentences, None
