"""Regression metrics: their definitions on random data, invariants, and where they are not defined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ftkit.errors import DataError
from ftkit.metrics.regression import MeanSquaredError, Pearson, Spearman

ALL = [Pearson, Spearman, MeanSquaredError]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equals_definition(seed: int, dtype: Any) -> None:
    rng = np.random.default_rng(seed)
    references = rng.normal(size=200).round(1).astype(dtype)  # rounded: ranks with ties
    predictions = (references + rng.normal(size=200)).astype(dtype)
    predicted, expected = predictions.astype(np.float64), references.astype(np.float64)

    pearson = np.corrcoef(predicted, expected)[0, 1]
    assert Pearson()._compute(predictions, references) == {"pearson": pytest.approx(pearson, rel=1e-12)}
    spearman = np.corrcoef(mean_ranks(predicted), mean_ranks(expected))[0, 1]
    assert Spearman()._compute(predictions, references) == {"spearman": pytest.approx(spearman, rel=1e-12)}
    errors = predicted - expected
    assert MeanSquaredError()._compute(predictions, references) == {
        "mse": pytest.approx((errors**2).mean(), rel=1e-12),
        "rmse": pytest.approx((errors**2).mean() ** 0.5, rel=1e-12),
        "mae": pytest.approx(abs(errors).mean(), rel=1e-12),
    }


def mean_ranks(values: np.ndarray) -> list[float]:
    """The rank of each value; equal ones share the mean of theirs."""
    return [(values < value).sum() + (values == value).sum() / 2 for value in values]


def test_spearman_depends_on_order_alone_and_pearson_on_no_scale() -> None:
    rng = np.random.default_rng(0)
    references, predictions = rng.normal(size=(2, 50))
    for metric, transform in ((Spearman, np.exp), (Pearson, lambda values: 3 * values + 7)):
        before, after = (metric()._compute(values, references) for values in (predictions, transform(predictions)))
        assert after == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("metric", [Pearson, Spearman])
@pytest.mark.parametrize(
    ("predictions", "references", "reason"),
    [
        ([2, 2, 2], [1, 2, 3], "predictions are constant"),
        ([1, 2, 3], [2, 2, 2], "references are constant"),
        ([1], [1], "1 rows, and it takes 2"),
        ([], [], "0 rows"),
        ([1, float("nan")], [1, 2], "predictions are not finite"),
        ([1, 2], [1, float("inf")], "references are not finite"),
    ],
)
def test_correlation_undefined_is_none(metric: type, predictions: Any, references: Any, reason: str) -> None:
    instance = metric()
    (value,) = instance._compute(predictions, references).values()
    assert value is None
    assert reason in "".join(instance.notes.values())


def test_nearly_constant_predictions_have_no_pearson() -> None:
    assert Pearson()._compute([1e16, 1e16 + 2, 1e16], [1, 2, 3]) == {"pearson": None}


@pytest.mark.parametrize("predictions", [[float("nan"), 1.0], [1e200, 1.0], [float("-inf"), 1.0]])
def test_error_that_is_not_finite_is_none(predictions: list[float]) -> None:
    metric = MeanSquaredError()
    result = metric._compute(predictions, [0.0, 1.0])
    assert result["mse"] is None
    assert result["rmse"] is None
    assert metric.notes["mse"]


@pytest.mark.parametrize("metric", ALL)
def test_huge_and_tiny_numbers_give_a_number_or_none_and_no_warning(metric: type) -> None:
    for scale in (1e-300, 1e300):
        values = metric()._compute(np.array([1, 2, 4]) * scale, np.array([1, 3, 2]) * scale).values()
        assert all(value is None or np.isfinite(value) for value in values)


@pytest.mark.parametrize("metric", ALL)
def test_used_alone_through_evaluate(metric: type) -> None:
    instance = metric()
    through_arrow = instance.compute(predictions=[1.0, 3.0, 2.5], references=[1, 2, 3])
    assert through_arrow == instance._compute([1.0, 3.0, 2.5], [1, 2, 3])
    assert instance.description
    assert instance.citation


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(("predictions", "references"), [([1, 2], [1]), ([[1], [2]], [[1], [2]])])
def test_shapes_that_do_not_fit_are_refused(metric: type, predictions: Any, references: Any) -> None:
    with pytest.raises(DataError, match="one number for each row"):
        metric()._compute(predictions, references)
