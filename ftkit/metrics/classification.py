"""Accuracy, precision, recall, F1, Matthews correlation and ROC AUC as `evaluate.Metric` classes.

All take label indices (N,) for one label a row, or {0,1} indicators (N, L) for several, and count every label
of the label space, also those that the data do not hold. The values are scikit-learn's, with
`zero_division=0` and `labels=range(L)`; what it would refuse or warn about is sorted out before it is called.
Precision, recall and F1 are its formulas over counts that are made once for all labels and averages: its own function
checks and counts all rows again at each call.
"""

from __future__ import annotations

import math
from typing import Any

import datasets
import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from sklearn.metrics import (
    accuracy_score,
    hamming_loss,
    matthews_corrcoef,
    roc_auc_score,
)

from ftkit.errors import DataError
from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.label_arrays import Array, check_labels, label_arrays
from ftkit.metrics.table import find_metric
from ftkit.types import ProblemType

MATRIX_LABELS = 1_000
"""Labels up to which scikit-learn's confusion matrix is small."""

_INDEX = datasets.Value("int64")
_SCORE = datasets.Value("float64")


class _LabelMetric(ArrayMetric):
    """A metric of predicted and expected labels that checks them first.

    Attributes:
        key: its name in `METRICS`.
    """

    inputs_text = """
Args:
    predictions: label indices (N,), or {0,1} indicators (N, L) where a row may have several labels.
    references: the same shape.
    num_labels: L; by default the largest index seen plus one, and no less than two.
"""
    # The list comes first: evaluate takes the first that accepts a row, and it accepts no number as a list.
    input_features = (
        datasets.Features({"predictions": datasets.List(_INDEX), "references": datasets.List(_INDEX)}),
        datasets.Features({"predictions": _INDEX, "references": _INDEX}),
    )
    key: str

    def _compute(self, predictions: ArrayLike, references: ArrayLike, num_labels: int | None = None) -> Scores:
        self.notes = {}
        predictions, references, num_labels = label_arrays(predictions, references, num_labels)
        problem_type: ProblemType = (
            "multi_label_classification" if references.ndim == 2 else "single_label_classification"
        )
        entry = find_metric(self.key, problem_type)
        if entry is None:
            raise DataError(f"{self.key}: expected one label for each row, got indicators (N, L).")
        if not references.size:
            return self._undefined(entry.keys, "there are no rows")
        return self._finite(self._scores(predictions, references, num_labels))

    def _scores(self, predictions: Array, references: Array, num_labels: int) -> dict[str, float]:
        """Returns the values of one row or more."""
        raise NotImplementedError


class Accuracy(_LabelMetric):
    """The share of rows that are exactly right.

    With several labels a row: subset accuracy, where every label of a row must be right, and `hamming_loss`,
    the share of wrong cells of the (N, L) indicators.
    """

    key = "accuracy"
    description_text = "The share of rows whose label, or whole set of labels, is right."
    citation_text = (
        "Sorower (2010), A literature survey on algorithms for multi-label learning, for the exact match "
        "ratio (subset accuracy) and Hamming loss."
    )

    def _scores(self, predictions: Array, references: Array, num_labels: int) -> dict[str, float]:
        expected, predicted = _targets(references), _targets(predictions)
        scores = {"accuracy": accuracy_score(expected, predicted)}
        if references.ndim == 2:
            scores["hamming_loss"] = hamming_loss(expected, predicted)
        return scores


class _PerLabelMetric(_LabelMetric):
    """A value for each label, and its averages under the keys `key`, `key_macro`, `_micro` and `_weighted`.

    `key` alone is the value of the positive label where there are two labels and one label a row, as in evaluate's
    own metric and scikit-learn's `average="binary"`; otherwise it is the macro average.
    """

    inputs_text = f"{_LabelMetric.inputs_text}    pos_label: index of the positive one of two labels.\n"

    def _compute(
        self, predictions: ArrayLike, references: ArrayLike, num_labels: int | None = None, pos_label: int = 1
    ) -> Scores:
        self._pos_label = pos_label
        return super()._compute(predictions, references, num_labels)

    def _scores(self, predictions: Array, references: Array, num_labels: int) -> dict[str, float]:
        counts = _label_counts(predictions, references, num_labels)
        by_label, pooled = _ratios(*counts), _ratios(*(count.sum() for count in counts))
        values, support = by_label[self.key], by_label["support"]
        is_binary = references.ndim == 1 and num_labels == 2
        return {
            self.key: values[self._pos_label] if is_binary else values.mean(),
            f"{self.key}_macro": values.mean(),
            f"{self.key}_micro": pooled[self.key],
            # Rows of several labels may all be empty; a mean without weights is 0, as in scikit-learn.
            f"{self.key}_weighted": np.average(values, weights=support) if support.any() else 0.0,
        }


class Precision(_PerLabelMetric):
    """Of the predictions of a label, the share that is right; 0 for a label that is never predicted."""

    key = "precision"
    description_text = "Of the predictions of a label, the share that is right."
    citation_text = "Kent et al. (1955), Machine literature searching VIII, American Documentation 6(2)."


class Recall(_PerLabelMetric):
    """Of the rows that have a label, the share that is found; 0 for a label that no row has."""

    key = "recall"
    description_text = "Of the rows that have a label, the share that is found."
    citation_text = "Kent et al. (1955), Machine literature searching VIII, American Documentation 6(2)."


class F1(_PerLabelMetric):
    """The harmonic mean of precision and recall; 0 for a label that is neither predicted nor expected.

    The macro average is the mean of the labels' F1, not the F1 of the mean precision and recall (Opitz and
    Burst, 2019, "Macro F1 and Macro F1").
    """

    key = "f1"
    description_text = "The harmonic mean of precision and recall."
    citation_text = "van Rijsbergen (1979), Information Retrieval, 2nd edition, chapter 7."


class MatthewsCorrelation(_LabelMetric):
    """The correlation of predictions and references, -1 to 1, for two or more labels; 0 is chance.

    Where either side holds one label only the coefficient is 0 by convention: constant predictions tell
    nothing.
    """

    key = "matthews_correlation"
    description_text = "The correlation between predicted and expected labels, robust to skewed classes."
    citation_text = (
        "Matthews (1975), Biochimica et Biophysica Acta 405(2); Gorodkin (2004), Computational Biology "
        "and Chemistry 28, for more than two labels."
    )

    def _scores(self, predictions: Array, references: Array, num_labels: int) -> dict[str, float]:
        # scikit-learn warns where both hold the same single label.
        is_constant = np.ptp(predictions) == 0 or np.ptp(references) == 0
        return {self.key: 0.0 if is_constant else _matthews(predictions, references, num_labels)}


def _matthews(predictions: Array, references: Array, num_labels: int) -> float:
    """Returns the correlation (Gorodkin 2004, equation 8) from the sums of a confusion matrix.

    scikit-learn makes the matrix itself: 80 GB for 100,000 labels.
    """
    if num_labels <= MATRIX_LABELS:
        return matthews_corrcoef(references, predictions)
    # Python's whole numbers do not overflow.
    num_rows, hits = len(references), int((predictions == references).sum())
    predicted, expected = (np.bincount(labels, minlength=num_labels) for labels in (predictions, references))
    covariance = hits * num_rows - int(predicted @ expected)
    variances = [num_rows**2 - int(counts @ counts) for counts in (predicted, expected)]
    return covariance / math.sqrt(math.prod(variances))


def label_scores(predictions: Array, references: Array, num_labels: int) -> dict[str, Any]:
    """Returns `precision`, `recall`, `f1` and `support` of each label, arrays (L,).

    Example: references `[0, 0, 1]`, predictions `[0, 1, 1]`: precision `[1.0, 0.5]`, recall `[0.5, 1.0]`, F1
    `[0.67, 0.67]`, support `[2, 1]`.

    Args:
        predictions: label indices (N,), or indicators (N, L), that `label_arrays` has checked.
        references: the same shape.
        num_labels: L.
    """
    return _ratios(*_label_counts(predictions, references, num_labels))


def _label_counts(predictions: Array, references: Array, num_labels: int) -> tuple[Array, ...]:
    """Returns of each label the rows where it is right, is predicted, is expected: three arrays (L,).

    Example: references `[0, 0, 1]`, predictions `[0, 1, 1]`: right `[1, 1]`, predicted `[1, 2]`, expected `[2, 1]`.
    """
    if references.ndim == 2:
        return tuple(labels.sum(axis=0) for labels in (predictions & references, predictions, references))
    right = references[predictions == references]
    return tuple(np.bincount(labels, minlength=num_labels) for labels in (right, predictions, references))


def _ratios(right: Any, predicted: Any, expected: Any) -> dict[str, Any]:
    """Returns precision, recall, F1 and support for counts of rows; what has nothing to divide by is 0."""

    def ratio(numerator: Any, denominator: Any) -> Any:
        return numerator / np.maximum(denominator, 1)  # a count of 0 is divided: of no rows, none are right

    return {
        "precision": ratio(right, predicted),
        "recall": ratio(right, expected),
        "f1": ratio(2 * right, predicted + expected),
        "support": expected,
    }


def _targets(labels: Array) -> Any:
    """Returns checked labels as scikit-learn takes them best: indices (N,) as they are, indicators sparse.

    It searches every cell of dense indicators for its distinct values: 6 s a call for 1M rows x 77 labels, where
    sparse ones take 0.6 s. It takes a single column of them for label indices, so that is what it becomes.
    """
    if labels.ndim == 1:
        return labels
    return labels[:, 0].astype(np.int64) if labels.shape[1] == 1 else csr_array(labels, dtype=np.int8)


class RocAuc(ArrayMetric):
    """The chance that a row with a label scores higher for it than a row without it.

    Two labels: of the positive label. More, or several labels a row: the macro mean of each label against the
    rest, over the labels that some rows have and some have not; `notes` tells when that leaves labels out.
    None if no label is left, as when all references are of one class.
    """

    description_text = "The area under the receiver operating characteristic, one label against the rest."
    citation_text = (
        "Hanley and McNeil (1982), Radiology 143(1); Fawcett (2006), An introduction to ROC analysis, Pattern "
        "Recognition Letters 27(8)."
    )
    inputs_text = """
Args:
    references: label indices (N,), or {0,1} indicators (N, L).
    prediction_scores: (N, L), or (N,) with the scores of label index 1 of two labels.
    pos_label: index of the positive one of two labels.
"""
    input_features = (
        datasets.Features({"references": datasets.List(_INDEX), "prediction_scores": datasets.List(_SCORE)}),
        datasets.Features({"references": _INDEX, "prediction_scores": datasets.List(_SCORE)}),
        datasets.Features({"references": _INDEX, "prediction_scores": _SCORE}),
    )

    def _compute(self, references: ArrayLike, prediction_scores: ArrayLike, pos_label: int = 1) -> Scores:
        self.notes = {}
        scores = _score_columns(prediction_scores)
        references = check_labels(references, "references", scores.shape[1])
        if len(scores) != len(references):
            raise DataError(f"roc_auc: {len(scores)} rows of scores for {len(references)} references.")
        if not np.isfinite(scores).all():
            return self._undefined(("roc_auc",), "some scores are not finite numbers")
        return self._mean_area(references, scores, pos_label)

    def _mean_area(self, references: Array, scores: Array, pos_label: int) -> Scores:
        is_binary = references.ndim == 1 and scores.shape[1] == 2
        labels = [pos_label] if is_binary else range(scores.shape[1])
        pairs = [(_has_label(references, label), scores[:, label]) for label in labels]
        defined = [pair for pair in pairs if pair[0].any() and not pair[0].all()]
        if not defined:
            reason = "no label has both rows that have it and rows that have not, so nothing can be ranked"
            return self._undefined(("roc_auc",), reason)
        if len(defined) < len(pairs):
            self.notes["roc_auc"] = (
                f"the mean of {len(defined)} of {len(pairs)} labels; the others are in no row or in all"
            )
        return self._finite({"roc_auc": np.mean([roc_auc_score(*pair) for pair in defined])})


def _score_columns(prediction_scores: ArrayLike) -> Array:
    """Returns scores (N, L); scores (N,) of label index 1 become two columns."""
    scores = np.asarray(prediction_scores)
    if scores.dtype.kind != "f":
        scores = scores.astype(np.float64)
    if scores.ndim == 1:
        return np.stack([-scores, scores], axis=1)
    if scores.ndim != 2:
        raise DataError(f"roc_auc: expected scores (N, L) or (N,), got the shape {scores.shape}.")
    return scores


def _has_label(references: Array, label: int) -> Array:
    return references[:, label] if references.ndim == 2 else references == label
