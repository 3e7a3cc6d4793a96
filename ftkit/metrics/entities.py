"""Scores of tags as `evaluate.Metric` classes, on tags as texts: `Seqeval` strict, `Conlleval`, `WordAccuracy`."""

from __future__ import annotations

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.tagging import Sentences, score_entities
from ftkit.tag_schemes import Scheme

_TAGS = datasets.List(datasets.Value("string"))


class _TagMetric(ArrayMetric):
    """A metric of predicted and expected tags."""

    inputs_text = """
Args:
    predictions: the tags of each sentence, such as [["B-PER", "O"]].
    references: as many, each as long.
"""
    input_features = (datasets.Features({"predictions": _TAGS, "references": _TAGS}),)


class _EntityMetric(_TagMetric):
    """A metric of predicted and expected entities.

    Attributes:
        prefix: of its keys.
        per_type: type -> precision, recall, f1 and support, of the last result.
    """

    prefix = ""
    per_type: dict[str, dict[str, float]]

    def _score(self, predictions: Sentences, references: Sentences, scheme: Scheme | None) -> Scores:
        found = score_entities(references, predictions, scheme)
        self.per_type = found.per_type
        self.notes = {} if found.support else {f"{self.prefix}f1": "the references hold no entity"}
        return {f"{self.prefix}{key}": value for key, value in found.overall.items()}


class Seqeval(_EntityMetric):
    """Strict: an entity counts where its tags follow the scheme to the letter; seqeval's `mode="strict"`."""

    description_text = "Precision, recall and F1 of entities, strict."
    citation_text = "Nakayama (2018), seqeval."

    def _compute(self, predictions: Sentences, references: Sentences, scheme: Scheme = "IOB2") -> Scores:
        return self._score(predictions, references, scheme)


class Conlleval(_EntityMetric):
    """The CoNLL convention: an entity is read also from tags that break their scheme."""

    prefix = "conlleval_"
    description_text = "Precision, recall and F1 of entities, as conlleval counts them."
    citation_text = "Tjong Kim Sang and Buchholz (2000), W00-0726."

    def _compute(self, predictions: Sentences, references: Sentences) -> Scores:
        return self._score(predictions, references, None)


class WordAccuracy(_TagMetric):
    """The share of words with the right tag; None where there are no words."""

    description_text = "The share of words with the right tag."
    citation_text = "Nakayama (2018), seqeval."

    def _compute(self, predictions: Sentences, references: Sentences) -> Scores:
        self.notes = {}
        hits = [
            one == other
            for expected, predicted in zip(references, predictions, strict=True)
            for one, other in zip(expected, predicted, strict=True)
        ]
        return {"accuracy": sum(hits) / len(hits)} if hits else self._undefined(("accuracy",), "there are no words")
