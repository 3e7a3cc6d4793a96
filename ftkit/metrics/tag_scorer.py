"""The scorer of tags, one for each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import Inputs
from ftkit.metrics.sentence_scorer import SentenceScorer
from ftkit.metrics.spec import MetricGroup
from ftkit.tag_schemes import Scheme, entity_type, recognise
from ftkit.types import LabelSpace

_MODES = {"seqeval": "strict", "conlleval": "conlleval"}  # metric -> what its numbers are called in results
_NO_ENTITY = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


class TagScorer(SentenceScorer):
    """Scores the tags of sentences, (N,) of arrays (W,).

    Attributes:
        labels: tags in the order of the model's outputs.
        scheme: of these tags.
        types: of entities, in the order of the tags.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, labels: LabelSpace) -> None:
        """Checks the names and loads external metrics.

        Args:
            labels: tags in the order of the model's outputs.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        scheme = recognise([name] for name in labels.names)  # in any order: a label set is no sentence
        assert scheme is not None
        self.scheme: Scheme = scheme
        self.types = tuple(dict.fromkeys(name for tag in labels.names if (name := entity_type(tag)) is not None))
        super().__init__(names, group, labels=labels)

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        expected, predicted = self._tags(references), self._tags(predictions)
        return {"predictions": predicted, "references": expected, "scheme": self.scheme}

    @property
    def _entity_metrics(self) -> list[str]:
        return [name for name in self.names if name in _MODES]

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("mode", "scheme", "per_label") if self._entity_metrics else ()

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns what `precision`, `recall` and `f1` are, and each type's, in the mode of the first entity metric.

        `per_label` is type -> `{"precision", "recall", "f1", "support"}`, the support a number of entities.
        """
        if not self._entity_metrics:
            return {}
        main = self._entity_metrics[0]
        rows = self._metrics[main].per_type
        per_label = {name: rows.get(name, {**_NO_ENTITY}) for name in self.types}
        return {"mode": _MODES[main], "scheme": self.scheme, "per_label": per_label}
