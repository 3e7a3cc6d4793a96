"""Entity scores as `evaluate.Metric` classes, on tags as texts: `Seqeval` strict, and `Conlleval`."""

from __future__ import annotations

import datasets
import evaluate

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.tagging import Sentences, score_entities
from ftkit.tag_schemes import Scheme

_TAGS = datasets.List(datasets.Value("string"))
_INPUTS = """
Args:
    predictions: the tags of each sentence, such as [["B-PER", "O"]].
    references: as many, each as long.
"""


class _EntityMetric(ArrayMetric):
    """A metric of predicted and expected tags."""

    description_text: str
    citation_text: str

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.description_text,
            citation=self.citation_text,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": _TAGS, "references": _TAGS}),
        )


class Seqeval(_EntityMetric):
    """Strict: an entity counts where its tags follow the scheme to the letter; seqeval's `mode="strict"`."""

    description_text = "Precision, recall and F1 of entities, strict."
    citation_text = "Nakayama (2018), seqeval."

    def _compute(self, predictions: Sentences, references: Sentences, scheme: Scheme = "IOB2") -> Scores:
        self.notes = {}
        return {**score_entities(references, predictions, scheme).overall}


class Conlleval(_EntityMetric):
    """The CoNLL convention: an entity is read also from tags that break their scheme."""

    description_text = "Precision, recall and F1 of entities, as conlleval counts them."
    citation_text = "Tjong Kim Sang and Buchholz (2000), W00-0726."

    def _compute(self, predictions: Sentences, references: Sentences) -> Scores:
        self.notes = {}
        scores = score_entities(references, predictions, None)
        return {f"conlleval_{name}": value for name, value in scores.overall.items()}
