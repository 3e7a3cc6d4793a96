"""What scorers of tags share: sentences of tag ids become lists of tags."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import LabelledScorer
from ftkit.metrics.label_arrays import Array


class SentenceScorer(LabelledScorer):
    """Scores the tags of sentences, (N,) of arrays (W,).

    Attributes:
        labels: tags in the order of the model's outputs.
    """

    @property
    def _subject(self) -> str:
        return f"{self.group.name} with {len(self.labels)} tags"

    def _tags(self, sentences: ArrayLike) -> list[list[str]]:
        names: Array = np.asarray(self.labels.names, object)
        return [names[np.asarray(ids, np.int64)].tolist() for ids in sentences]  # type: ignore[union-attr]

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        sentences = [range(len(self.labels)), [0]]
        return sentences, sentences, None
