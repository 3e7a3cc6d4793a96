"""The scorer of masks: one confusion matrix of all pixels of a split, one image in memory at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import Inputs, LabelledScorer
from ftkit.metrics.segmentation import class_scores, confusion_of

MOST_IN_MATRIX = 30
"""Classes whose whole matrix stands in the results; of more, 150 x 150 numbers would bury all others."""

MOST_PAIRS = 25


class SegmentationScorer(LabelledScorer):
    """Scores masks: predictions and references are (N,) of objects whose `indices()` are class indices (H, W).

    Attributes:
        labels: in the order of the model's outputs.
    """

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        num_classes = len(self.labels)
        confusion = np.zeros((num_classes, num_classes), np.int64)
        predicted: Any = predictions
        expected: Any = references
        for one, other in zip(predicted, expected, strict=True):
            confusion += confusion_of(one.indices(), other.indices(), num_classes)
        return {"confusion": confusion}

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("per_label", "confusion_matrix", "confused_pairs")

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns `per_label`, and which classes are taken for which.

        `per_label` is name -> `iou`, `dice`, `accuracy`, `precision`, each None where the class has no pixel, and
        `support`, its number of pixels. `confusion_matrix` has the true classes in rows; of many classes there are
        `confused_pairs`, the most frequent errors as true class, predicted class and pixels.
        """
        confusion = inputs["confusion"]
        scores, support = class_scores(confusion), confusion.sum(axis=1)
        per_label = {
            name: {
                **{key: _number(values[index]) for key, values in scores.items()},
                "support": int(support[index]),
            }
            for index, name in enumerate(self.labels.names)
        }
        if len(self.labels) <= MOST_IN_MATRIX:
            return {"per_label": per_label, "confusion_matrix": confusion.tolist()}
        return {"per_label": per_label, "confused_pairs": self._pairs(confusion)}

    def _pairs(self, confusion: np.ndarray) -> list[list[Any]]:
        wrong = confusion - np.diag(np.diag(confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
        places = (divmod(int(place), len(self.labels)) for place in order)
        names = self.labels.names
        return [[names[row], names[column], int(wrong[row, column])] for row, column in places if wrong[row, column]]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
