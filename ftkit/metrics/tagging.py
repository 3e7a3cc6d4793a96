"""Entity precision, recall and F1 as papers report them, and token accuracy.

Two conventions. Strict counts an entity only where the tags follow their scheme to the letter (seqeval,
`mode="strict"`). The conlleval convention reads an entity also from tags that break the scheme (Tjong Kim Sang and
Buchholz 2000, W00-0726; seqeval's default). Both need type and both borders to be right. Micro pools all entities;
macro is the mean over the types that the references or the predictions hold, as in seqeval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics import METRICS, available_keys, check_metric_names
from ftkit.metrics.label_arrays import Array
from ftkit.tag_schemes import Entity, Scheme, conlleval_entities, entity_type, recognise, strict_entities
from ftkit.types import LabelSpace

Read = Callable[[Sequence[str]], list[Entity]]


class Counts(NamedTuple):
    """Entities of each type: right, predicted, and in the references."""

    hits: Counter[str]
    predicted: Counter[str]
    expected: Counter[str]

    @property
    def types(self) -> list[str]:
        """The types that references or predictions hold."""
        return sorted(self.predicted.keys() | self.expected.keys())


def count_entities(references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], read: Read) -> Counts:
    """Counts the entities of sentences.

    Args:
        references: tags of each sentence.
        predictions: as many, each as long.
        read: tags of a sentence -> its entities.
    """
    counts = Counts(Counter(), Counter(), Counter())
    for expected_tags, predicted_tags in zip(references, predictions, strict=True):
        expected, predicted = set(read(expected_tags)), set(read(predicted_tags))
        counts.expected.update(entity.label for entity in expected)
        counts.predicted.update(entity.label for entity in predicted)
        counts.hits.update(entity.label for entity in expected & predicted)
    return counts


def entity_scores(counts: Counts) -> dict[str, float]:
    """Returns precision, recall and F1, micro and macro; what has nothing to divide by is 0, as in seqeval.

    Example: two types, A with 1 hit of 2 predicted and 1 expected, B with 0 of 0 and 1: micro precision 1/2, recall
    1/2; macro precision (1/2 + 0) / 2 = 1/4, recall (1 + 0) / 2, F1 (2/3 + 0) / 2.
    """
    totals = tuple(part.total() for part in counts)
    per_type = [_scores(*(part[name] for part in counts)) for name in counts.types]
    macro = np.mean(per_type, axis=0) if per_type else np.zeros(3)
    names = ("precision", "recall", "f1")
    scores = dict(zip(names, _scores(*totals), strict=True))
    return scores | {f"{name}_macro": float(value) for name, value in zip(names, macro, strict=True)}


def _scores(hits: int, predicted: int, expected: int) -> tuple[float, float, float]:
    precision = hits / predicted if predicted else 0.0
    recall = hits / expected if expected else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return precision, recall, f1


class TagScorer:
    """Computes the metrics of a tagger: the counterpart of `Scorer` for token classification.

    Attributes:
        names: the metrics, as given.
        labels: tags in the order of the model's outputs.
        scheme: of these tags.
        notes: key -> why its value in the last result means little.
    """

    needs_scores = False

    def __init__(self, names: Sequence[str], labels: LabelSpace) -> None:
        """Checks the names.

        Raises:
            ConfigError: for a metric that is unknown or unsuited.
        """
        check_metric_names(names, "token-classification")
        self.names, self.labels = tuple(names), labels
        scheme = recognise([labels.names])
        assert scheme is not None
        self.scheme: Scheme = scheme
        self.types = tuple(dict.fromkeys(name for tag in labels.names if (name := entity_type(tag)) is not None))
        self.keys = available_keys(names, "token-classification")
        self.notes: dict[str, str] = {}

    def compute(
        self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None = None
    ) -> dict[str, Any]:
        """Returns every metric; `mode` and `scheme` say what `precision`, `recall` and `f1` are.

        Also `per_label`: type -> `{"precision", "recall", "f1", "support"}`, in the mode of `f1`, the support being
        a number of entities.

        Args:
            predictions: output positions of the tags of each sentence, (N,) of arrays (W,).
            references: the same shape.
            scores: not used.
        """
        expected, predicted = self._tags(references), self._tags(predictions)
        self.notes = {}
        result: dict[str, Any] = {}
        readers: dict[str, Read] = {"seqeval": self._strict, "conlleval": conlleval_entities}
        counts = {name: count_entities(expected, predicted, readers[name]) for name in self.names if name in readers}
        for name in self.names:
            if name in counts:
                values = entity_scores(counts[name])
                prefix = "" if name == "seqeval" else f"{name}_"
                result |= {f"{prefix}{key}": value for key, value in values.items()}
                if not counts[name].expected:
                    self.notes[f"{prefix}f1"] = "the references hold no entity"
            elif name in METRICS:
                result["accuracy"] = _accuracy(expected, predicted)
        if counts:
            main = next(iter(counts))
            result |= {"mode": "strict" if main == "seqeval" else main, "scheme": self.scheme}
            result["per_label"] = self._per_type(counts[main])
        return result

    def _strict(self, tags: Sequence[str]) -> list[Entity]:
        return strict_entities(tags, self.scheme)

    def _tags(self, sentences: ArrayLike) -> list[list[str]]:
        names: Array = np.asarray(self.labels.names, object)
        return [names[np.asarray(ids, np.int64)].tolist() for ids in sentences]  # type: ignore[union-attr]

    def _per_type(self, counts: Counts) -> dict[str, dict[str, float]]:
        keys = ("precision", "recall", "f1", "support")
        return {
            name: dict(zip(keys, (*_scores(*(part[name] for part in counts)), counts.expected[name]), strict=True))
            for name in self.types
        }


def _accuracy(references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> float | None:
    """Returns the share of words with the right tag."""
    pairs = [
        one == other
        for expected, predicted in zip(references, predictions, strict=True)
        for one, other in zip(expected, predicted, strict=True)
    ]
    return sum(pairs) / len(pairs) if pairs else None
