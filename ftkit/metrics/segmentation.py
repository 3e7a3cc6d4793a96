"""Metrics of pixels, all read off one confusion matrix of a whole split: a mean over images would be another number.

Rows are true classes, columns predicted ones. A class without a pixel in the split has no score (None) and is in no
mean: its 0 or 1 would say nothing of the model. Pixels that are wrongly taken for it count against their true classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import datasets
import numpy as np

from ftkit.metrics.array_metric import ArrayMetric, Scores

_FEATURES = (datasets.Features({"confusion": datasets.Sequence(datasets.Value("int64"))}),)
_INPUT = "\nArgs:\n    confusion: counts of pixels (L, L), true classes x predicted classes.\n"
_NO_PIXEL = "no pixel of the split is of a class"


def confusion_of(predicted_HW: np.ndarray, expected_HW: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns counts of pixels (L, L), true classes x predicted classes, of one image.

    Args:
        predicted_HW: class indices; of one pixel, it stands for all.
        expected_HW: class indices; pixels below 0 are left out.

    Example: expected `[[0, 0, 1, -1]]` and predicted `[[0, 1, 1, 1]]` of two classes give `[[1, 1], [0, 1]]`.
    """
    counts = expected_HW >= 0
    codes = expected_HW.astype(np.int64) * num_classes + predicted_HW
    return np.bincount(codes[counts], minlength=num_classes**2).reshape(num_classes, num_classes)


def class_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `iou`, `dice`, `accuracy` and `precision` of each class, (L,), NaN where a class has no pixel.

    Of the pixels that are of a class or taken for it, IoU is the share that is both. Dice is the F1 score of pixels,
    and accuracy the share of a class's pixels that is found, which is its recall.
    """
    right = np.diag(confusion).astype(np.float64)
    expected, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = {
            "iou": right / (expected + predicted - right),
            "dice": 2 * right / (expected + predicted),
            "accuracy": right / expected,
            "precision": right / np.maximum(predicted, 1),
        }
    return {name: np.where(expected > 0, values, np.nan) for name, values in scores.items()}


def mean_of(confusion: np.ndarray, score: str) -> float | None:
    """Returns the mean of a score over the classes that have pixels; None where none has."""
    values = class_scores(confusion)[score]
    return float(np.nanmean(values)) if confusion.any() else None


class _PixelMetric(ArrayMetric):
    inputs_text = _INPUT
    input_features = _FEATURES

    def _means(self, confusion: np.ndarray, scores: Mapping[str, str]) -> Scores:
        self.notes = {}
        if not confusion.any():
            return self._undefined(tuple(scores), _NO_PIXEL)
        return {key: mean_of(confusion, score) for key, score in scores.items()}


class MeanIou(_PixelMetric):
    """The mean over classes of intersection over union."""

    description_text = "Intersection over union of each class over all pixels of a split, averaged over classes."
    citation_text = "Everingham et al. (2015), 10.1007/s11263-014-0733-5."

    def _compute(self, confusion: np.ndarray) -> Scores:
        return self._means(confusion, {"mean_iou": "iou"})


class MeanDice(_PixelMetric):
    """The mean over classes of the Dice coefficient."""

    description_text = "Dice coefficient, the F1 score of pixels, of each class over a split, averaged over classes."
    citation_text = "Dice (1945), 10.2307/1932409."

    def _compute(self, confusion: np.ndarray) -> Scores:
        return self._means(confusion, {"mean_dice": "dice"})


class PixelAccuracy(_PixelMetric):
    """The share of pixels that are right, over all and as a mean over classes."""

    description_text = "Share of right pixels of a split (pixel_accuracy), and its mean over classes (mean_accuracy)."
    citation_text = "Long et al. (2015), arXiv 1411.4038."

    def _compute(self, confusion: np.ndarray) -> Scores:
        means = self._means(confusion, {"mean_accuracy": "accuracy"})
        if not confusion.any():
            return {**self._undefined(("pixel_accuracy",), _NO_PIXEL), **means}
        return {"pixel_accuracy": float(np.trace(confusion) / confusion.sum()), **means}
