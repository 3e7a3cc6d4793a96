"""Pearson and Spearman correlation and mean squared error as `evaluate.Metric` classes.

All take predictions and references as numbers (N,). A value that is not defined is None, with a note.
"""

from __future__ import annotations

import warnings
from typing import Any

import datasets
import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error

from ftkit.errors import DataError
from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.label_arrays import Floats


class _NumberMetric(ArrayMetric):
    """A metric of numbers (N,) that checks them first."""

    inputs_text = """
Args:
    predictions: numbers (N,).
    references: numbers (N,).
"""
    input_features = (
        datasets.Features({"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}),
    )
    keys: tuple[str, ...]
    min_rows = 1

    def _compute(self, predictions: ArrayLike, references: ArrayLike) -> Scores:
        self.notes = {}
        predicted, expected = _number_arrays(predictions, references)
        if len(expected) < self.min_rows:
            return self._undefined(self.keys, f"{len(expected)} rows, and it takes {self.min_rows}")
        for name, values in (("predictions", predicted), ("references", expected)):
            if not np.isfinite(values).all():
                return self._undefined(self.keys, f"some {name} are not finite numbers")
        return self._scores(predicted, expected)

    def _scores(self, predicted: Floats, expected: Floats) -> Scores:
        raise NotImplementedError


class _Correlation(_NumberMetric):
    """A correlation from scipy, None where scipy warns that the input is constant or nearly so."""

    min_rows = 2

    def _correlate(self, predicted: Floats, expected: Floats) -> Any:
        """Returns scipy's result object."""
        raise NotImplementedError

    def _scores(self, predicted: Floats, expected: Floats) -> Scores:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", stats.DegenerateDataWarning)
            try:
                result = self._correlate(predicted, expected)
            except stats.DegenerateDataWarning:
                constant = "predictions" if np.ptp(predicted) <= np.ptp(expected) else "references"
                return self._undefined(self.keys, f"the {constant} are constant, or so nearly that they tell nothing")
        return self._finite({self.keys[0]: result.statistic})


class Pearson(_Correlation):
    """The linear correlation of predictions and references, -1 to 1; None if either is constant."""

    keys = ("pearson",)
    description_text = "The linear correlation of predicted and expected numbers."
    citation_text = "Pearson (1895), Proceedings of the Royal Society of London 58; scipy.stats.pearsonr."

    def _correlate(self, predicted: Floats, expected: Floats) -> Any:
        return stats.pearsonr(predicted, expected)


class Spearman(_Correlation):
    """The correlation of the ranks of predictions and references, -1 to 1; None if either is constant."""

    keys = ("spearman",)
    description_text = "The correlation of the ranks of predicted and expected numbers."
    citation_text = "Spearman (1904), The American Journal of Psychology 15(1); scipy.stats.spearmanr."

    def _correlate(self, predicted: Floats, expected: Floats) -> Any:
        return stats.spearmanr(predicted, expected)


class MeanSquaredError(_NumberMetric):
    """The mean squared error, its root `rmse` and the mean absolute error `mae`, in the labels' own unit."""

    keys = ("mse", "rmse", "mae")
    description_text = "The mean of squared differences, its root, and the mean of absolute differences."
    citation_text = "Willmott and Matsuura (2005), Climate Research 30, for rmse against mae."

    def _scores(self, predicted: Floats, expected: Floats) -> Scores:
        with np.errstate(over="ignore"):  # beyond 1e154 a square is infinite: None, with a note
            return self._finite(
                {
                    "mse": mean_squared_error(expected, predicted),
                    "rmse": root_mean_squared_error(expected, predicted),
                    "mae": mean_absolute_error(expected, predicted),
                }
            )


def _number_arrays(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Floats]:
    """Returns both as float64 (N,): in float32 a million squares lose digits.

    Raises:
        DataError: if they are not two vectors of one length.
    """
    predicted = np.asarray(predictions, dtype=np.float64)
    expected = np.asarray(references, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != expected.shape:
        raise DataError(
            f"predictions have the shape {predicted.shape} and references {expected.shape}; "
            "expected one number for each row, (N,)."
        )
    return predicted, expected
