"""Error rates of transcripts as `evaluate.Metric` classes: `WordErrorRate` and `CharacterErrorRate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.transcripts import EditCounts, Form, character_edits, signature, word_edits

_TEXT = datasets.Value("string")


class _ErrorRate(ArrayMetric):
    """Edits over the expected length, both summed over all rows. Its details say how, and which edits.

    Attributes:
        key: its name among ftkit's metrics.
        unit: what is counted.
    """

    inputs_text = """
Args:
    predictions: texts.
    references: as many texts.
"""
    input_features = (datasets.Features({"predictions": _TEXT, "references": _TEXT}),)
    citation_text = "Morris, Maier and Green (2004), 10.21437/Interspeech.2004-668."
    key: ClassVar[str]
    unit: ClassVar[str]

    def _edits(self, predictions: Sequence[str], references: Sequence[str], normalize: Form) -> EditCounts:
        raise NotImplementedError

    def _compute(self, predictions: Sequence[str], references: Sequence[str], normalize: Form = "basic") -> Scores:
        self.notes = {}
        counts = self._edits(predictions, references, normalize)
        rate = counts.rate()
        self.details = {
            f"{self.key}_signature": signature(self.unit, normalize),
            f"{self.key}_edits": {
                "substitutions": int(counts.substitutions.sum()),
                "deletions": int(counts.deletions.sum()),
                "insertions": int(counts.insertions.sum()),
                self.unit: int(counts.lengths.sum()),
            },
        }
        if math.isnan(rate):
            return self._undefined((self.key,), f"the transcripts hold no {self.unit}")
        return self._finite({self.key: rate})


class WordErrorRate(_ErrorRate):
    """Substituted, deleted and inserted words over the words that were said."""

    key, unit = "wer", "words"
    description_text = "Word error rate: 0 is perfect; above 1 where more was heard than said."

    def _edits(self, predictions: Sequence[str], references: Sequence[str], normalize: Form) -> EditCounts:
        return word_edits(predictions, references, normalize)


class CharacterErrorRate(_ErrorRate):
    """The same of characters, for languages that put no spaces between words."""

    key, unit = "cer", "characters"
    description_text = "Character error rate: 0 is perfect; above 1 where more was heard than said."

    def _edits(self, predictions: Sequence[str], references: Sequence[str], normalize: Form) -> EditCounts:
        return character_edits(predictions, references, normalize)
