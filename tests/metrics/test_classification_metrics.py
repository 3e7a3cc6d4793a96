"""Classification metrics against scikit-learn on random data, and where they are not defined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from ftkit.errors import DataError
from ftkit.metrics.classification import F1, Accuracy, MatthewsCorrelation, Precision, Recall, RocAuc

SEEDS = range(5)
SKLEARN = {
    "precision": (Precision, sklearn_metrics.precision_score),
    "recall": (Recall, sklearn_metrics.recall_score),
    "f1": (F1, sklearn_metrics.f1_score),
}


def single_label_data(seed: int, num_labels: int, num_absent: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions over all labels and references that lack the last `num_absent` labels."""
    rng = np.random.default_rng(seed)
    references = rng.integers(0, num_labels - num_absent, 300)
    guesses = rng.integers(0, num_labels, 300)
    return np.where(rng.random(300) < 0.5, references, guesses), references


def multi_label_data(seed: int, num_labels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Indicators where the last label is in no reference and the first in no prediction."""
    rng = np.random.default_rng(seed)
    references = (rng.random((300, num_labels)) < 0.3).astype(np.int64)
    predictions = references ^ (rng.random((300, num_labels)) < 0.2)
    references[:, -1] = 0
    predictions[:, 0] = 0
    return predictions, references


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("num_labels", "num_absent"), [(2, 0), (3, 0), (12, 3)])
@pytest.mark.parametrize("name", SKLEARN)
def test_single_label_equals_sklearn(name: str, num_labels: int, num_absent: int, seed: int) -> None:
    predictions, references = single_label_data(seed, num_labels, num_absent)
    metric, sklearn_score = SKLEARN[name]

    result = metric()._compute(predictions, references, num_labels)

    for average in ("macro", "micro", "weighted"):
        expected = sklearn_score(references, predictions, labels=range(num_labels), average=average, zero_division=0)
        assert result[f"{name}_{average}"] == pytest.approx(expected, rel=1e-12)
    plain = sklearn_score(references, predictions) if num_labels == 2 else result[f"{name}_macro"]
    assert result[name] == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SKLEARN)
def test_multi_label_equals_sklearn(name: str, seed: int) -> None:
    predictions, references = multi_label_data(seed)
    metric, sklearn_score = SKLEARN[name]

    result = metric()._compute(predictions, references)

    for average in ("macro", "micro", "weighted"):
        expected = sklearn_score(references, predictions, average=average, zero_division=0)
        assert result[f"{name}_{average}"] == pytest.approx(expected, rel=1e-12)
    assert result[name] == result[f"{name}_macro"]


@pytest.mark.parametrize("name", SKLEARN)
def test_multi_label_without_any_label_is_zero_as_in_sklearn(name: str) -> None:
    nothing = np.zeros((4, 3), dtype=np.int64)
    metric, sklearn_score = SKLEARN[name]
    result = metric()._compute(nothing, nothing)
    for average in ("macro", "micro", "weighted"):
        assert result[f"{name}_{average}"] == sklearn_score(nothing, nothing, average=average, zero_division=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_equals_sklearn(seed: int) -> None:
    predictions, references = single_label_data(seed, 5)
    expected = sklearn_metrics.accuracy_score(references, predictions)
    assert Accuracy()._compute(predictions, references) == {"accuracy": pytest.approx(expected)}

    predictions, references = multi_label_data(seed)
    assert Accuracy()._compute(predictions, references) == {
        "accuracy": pytest.approx(sklearn_metrics.accuracy_score(references, predictions)),
        "hamming_loss": pytest.approx(sklearn_metrics.hamming_loss(references, predictions)),
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("num_labels", "num_absent"), [(2, 0), (4, 0), (12, 3)])
def test_matthews_equals_sklearn(num_labels: int, num_absent: int, seed: int) -> None:
    predictions, references = single_label_data(seed, num_labels, num_absent)
    expected = sklearn_metrics.matthews_corrcoef(references, predictions)
    result = MatthewsCorrelation()._compute(predictions, references, num_labels)
    assert result == {"matthews_correlation": pytest.approx(expected, rel=1e-12)}


def test_matthews_is_exact_beyond_64_bits() -> None:
    # 200,000 rows: the product of the two spreads is about 1e20, past 2**63.
    references = np.tile([0, 1], 100_000)
    predictions = references.copy()
    predictions[:20_000] = 1 - predictions[:20_000]
    # tp = tn = 90,000, fp = fn = 10,000: (90**2 - 10**2) / (100 * 100) = 0.8.
    assert MatthewsCorrelation()._compute(predictions, references) == {
        "matthews_correlation": pytest.approx(0.8, rel=1e-12)
    }


@pytest.mark.parametrize(("predictions", "references"), [([0, 0, 0], [0, 1, 1]), ([0, 1, 1], [0, 0, 0]), ([1], [1])])
def test_matthews_of_one_class_is_zero(predictions: list[int], references: list[int]) -> None:
    assert MatthewsCorrelation()._compute(predictions, references) == {"matthews_correlation": 0.0}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_decimals", [2, 12])
def test_roc_auc_equals_sklearn(seed: int, num_decimals: int) -> None:
    """Two decimals make many ties."""
    rng = np.random.default_rng(seed)
    _, references = single_label_data(seed, 2)
    scores = (rng.random(300) + 0.3 * references).round(num_decimals)
    expected = sklearn_metrics.roc_auc_score(references, scores)
    both = np.stack([1 - scores, scores], axis=1)
    assert RocAuc()._compute(references, both) == {"roc_auc": pytest.approx(expected, rel=1e-12)}
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}

    _, references = single_label_data(seed, 5)
    scores = rng.dirichlet(np.ones(5), 300)
    expected = sklearn_metrics.roc_auc_score(references, scores, multi_class="ovr", average="macro")
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}

    references = (rng.random((300, 4)) < 0.3).astype(int)
    scores = rng.random((300, 4)).round(num_decimals)
    expected = sklearn_metrics.roc_auc_score(references, scores, average="macro")
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}


def test_roc_auc_leaves_out_absent_labels_and_says_so() -> None:
    rng = np.random.default_rng(0)
    _, references = single_label_data(0, 5, num_absent=2)
    scores = rng.dirichlet(np.ones(5), 300)
    metric = RocAuc()
    expected = [sklearn_metrics.roc_auc_score(references == label, scores[:, label]) for label in range(3)]
    assert metric._compute(references, scores) == {"roc_auc": pytest.approx(np.mean(expected))}
    assert "3 of 5 labels" in metric.notes["roc_auc"]


@pytest.mark.parametrize(
    ("references", "scores"),
    [
        ([1, 1], [[0.1, 0.9], [0.6, 0.4]]),
        ([2, 2], [[0.1, 0.8, 0.1], [0.6, 0.2, 0.2]]),
        ([[1, 0], [1, 0]], [[0.1, 0.9], [0.6, 0.4]]),
        ([0, 1], [[0.1, 0.9], [float("nan"), 0.4]]),
        ([], np.zeros((0, 2))),
    ],
    ids=["binary", "multiclass", "multi-label", "nan", "no-rows"],
)
def test_roc_auc_undefined_is_none_with_a_reason(references: Any, scores: Any) -> None:
    metric = RocAuc()
    assert metric._compute(references, scores) == {"roc_auc": None}
    assert metric.notes["roc_auc"]
    metric._compute([0, 1], [0.2, 0.7])
    assert metric.notes == {}


@pytest.mark.parametrize("metric", [Accuracy, Precision, Recall, F1, MatthewsCorrelation])
def test_no_rows_is_none_with_a_reason(metric: type) -> None:
    instance = metric()
    result = instance._compute([], [])
    assert result
    assert set(result.values()) == {None}
    assert set(instance.notes) == set(result)


def test_used_alone_through_evaluate() -> None:
    assert Accuracy().compute(predictions=[0, 1, 1], references=[0, 1, 0]) == {"accuracy": pytest.approx(2 / 3)}
    assert Accuracy().compute(predictions=[[0, 1], [1, 1]], references=[[0, 1], [0, 1]]) == {
        "accuracy": 0.5,
        "hamming_loss": 0.25,
    }
    assert F1().compute(predictions=np.array([0, 1, 1]), references=np.array([0, 1, 0]))["f1"] == pytest.approx(2 / 3)
    assert F1().compute(predictions=[0, 1, 1], references=[0, 1, 0], num_labels=4)["f1"] == pytest.approx(1 / 3)
    for scores in ([0.2, 0.7, 0.3], [[0.8, 0.2], [0.3, 0.7], [0.7, 0.3]]):
        assert RocAuc().compute(prediction_scores=scores, references=[0, 1, 0]) == {"roc_auc": 1.0}
    indicators = np.array([[1, 0], [0, 1]])
    assert RocAuc().compute(prediction_scores=indicators * 0.5, references=indicators) == {"roc_auc": 1.0}


def test_batches_add_up() -> None:
    metric = Accuracy()
    metric.add_batch(predictions=[0, 1], references=[0, 0])
    metric.add(prediction=1, reference=1)
    metric.add(prediction=1, reference=1)
    assert metric.compute() == {"accuracy": 0.75}


def test_leaves_no_file(tmp_path: Any) -> None:
    metric = F1(cache_dir=str(tmp_path))
    metric.compute(predictions=[0, 1], references=[0, 1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("metric", [Accuracy, Precision, Recall, F1, MatthewsCorrelation, RocAuc])
def test_describes_itself(metric: type) -> None:
    instance = metric()
    assert instance.description
    assert instance.citation
    assert "references" in instance.inputs_description


@pytest.mark.parametrize(
    ("predictions", "references", "num_labels", "message"),
    [
        ([0, 1], [0], None, r"shape \(2,\)"),
        ([0, 3], [0, 1], 3, "3 is no label index; expected 0 to 2"),
        ([0, 1], [0, -100], None, "-100 is no label index"),
        ([0.5, 1.0], [0, 1], None, "float64"),
        ([[0, 2]], [[0, 1]], None, "up to 2"),
        ([[0, 1]], [[0, 1]], 3, "2 columns, but there are 3 labels"),
        ([[[0]]], [[[0]]], None, r"shape \(1, 1, 1\)"),
    ],
)
def test_what_is_no_label_is_refused(predictions: Any, references: Any, num_labels: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        F1()._compute(predictions, references, num_labels)


def test_matthews_refuses_indicators() -> None:
    with pytest.raises(DataError, match="one label for each row"):
        MatthewsCorrelation()._compute([[0, 1]], [[0, 1]])


@pytest.mark.parametrize(
    ("references", "scores", "message"),
    [([0, 1], [0.1], "1 rows of scores for 2"), ([0, 2], [0.1, 0.2], "0 to 1"), ([0], [[[0.1]]], "shape")],
)
def test_roc_auc_refuses_what_does_not_fit(references: Any, scores: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RocAuc()._compute(references, scores)
