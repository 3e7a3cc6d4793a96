"""Scores of tags as `evaluate.Metric` classes, on tags as texts: of entities, and of words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

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


class TagF1(_TagMetric):
    """The F1 of each tag that references or predictions hold: their mean, and the mean weighted by words."""

    description_text = "The mean F1 of the tags of words."
    citation_text = "van Rijsbergen (1979), Information Retrieval, 2nd edition, chapter 7."

    def _compute(self, predictions: Sentences, references: Sentences) -> Scores:
        self.notes = {}
        expected, predicted = (list(itertools.chain(*sentences)) for sentences in (references, predictions))
        if not expected:
            return self._undefined(("f1_macro", "f1_weighted"), "there are no words")
        names = sorted({*expected, *predicted})
        rows = tag_rows(expected, predicted, names)
        f1, support = ([row[key] for row in rows.values()] for key in ("f1", "support"))
        return {"f1_macro": float(np.mean(f1)), "f1_weighted": float(np.average(f1, weights=support))}


def tag_rows(expected: Sequence[str], predicted: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns `precision`, `recall`, `f1` and `support` of each tag, the support a number of words.

    Args:
        expected: a tag for each word.
        predicted: as many.
        names: the tags that are told of.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(expected, predicted, labels=names, average=None, zero_division=0)
    keys = ("precision", "recall", "f1")
    return {
        name: {**dict(zip(keys, map(float, row), strict=True)), "support": int(support)}
        for name, *row, support in zip(names, *columns, strict=True)
    }


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
