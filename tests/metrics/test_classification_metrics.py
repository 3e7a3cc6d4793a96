"""Classification metrics: naive counts on random data, invariants, and where they are not defined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ftkit.errors import DataError
from ftkit.metrics import classification
from ftkit.metrics.classification import F1, Accuracy, MatthewsCorrelation, Precision, Recall, RocAuc

SEEDS = range(5)
PER_LABEL = {"precision": Precision, "recall": Recall, "f1": F1}


def ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def naive_per_label(name: str, predicted: list[set[int]], expected: list[set[int]], num_labels: int) -> Any:
    """The value under every averaging, from sets of labels and the textbook's definitions."""

    def value(hits: int, num_predicted: int, num_expected: int) -> float:
        precision, recall = ratio(hits, num_predicted), ratio(hits, num_expected)
        f1 = ratio(2 * precision * recall, precision + recall)
        return {"precision": precision, "recall": recall, "f1": f1}[name]

    counts = [
        (
            sum(label in row and label in other for row, other in zip(predicted, expected, strict=True)),
            sum(label in row for row in predicted),
            sum(label in row for row in expected),
        )
        for label in range(num_labels)
    ]
    values = [value(*count) for count in counts]
    support = [count[2] for count in counts]
    weighted = sum(value * weight for value, weight in zip(values, support, strict=True))
    return {
        f"{name}_macro": pytest.approx(sum(values) / num_labels, rel=1e-12),
        f"{name}_micro": pytest.approx(value(*map(sum, zip(*counts, strict=True))), rel=1e-12),
        f"{name}_weighted": pytest.approx(ratio(weighted, sum(support)), rel=1e-12),
    }


def naive_area(scores: Any, has_label: Any) -> float:
    """The share of (positive, negative) pairs in order, a tie counting half."""
    positives = [score for score, positive in zip(scores, has_label, strict=True) if positive]
    negatives = [score for score, positive in zip(scores, has_label, strict=True) if not positive]
    wins = sum((high > low) + (high == low) / 2 for high in positives for low in negatives)
    return wins / (len(positives) * len(negatives))


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
@pytest.mark.parametrize("name", PER_LABEL)
def test_single_label_equals_naive_count(name: str, num_labels: int, num_absent: int, seed: int) -> None:
    predictions, references = single_label_data(seed, num_labels, num_absent)
    result = PER_LABEL[name]()._compute(predictions, references, num_labels)
    plain = result.pop(name)
    predicted, expected = ([{label} for label in array.tolist()] for array in (predictions, references))
    assert result == naive_per_label(name, predicted, expected, num_labels)
    if num_labels > 2:
        assert plain == result[f"{name}_macro"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_labels", [1, 2, 6])
@pytest.mark.parametrize("name", PER_LABEL)
def test_multi_label_equals_naive_count(name: str, num_labels: int, seed: int) -> None:
    predictions, references = multi_label_data(seed, num_labels + 2)
    predictions, references = predictions[:, 1:-1], references[:, 1:-1]  # a single column is a case of its own
    result = PER_LABEL[name]()._compute(predictions, references)
    assert result.pop(name) == result[f"{name}_macro"]
    predicted, expected = ([set(np.flatnonzero(row)) for row in array] for array in (predictions, references))
    assert result == naive_per_label(name, predicted, expected, num_labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_swapping_sides_swaps_precision_and_recall(seed: int) -> None:
    for predictions, references in (single_label_data(seed, 6, 2), multi_label_data(seed)):
        precision = Precision()._compute(predictions, references)
        recall = Recall()._compute(references, predictions)
        for average in ("macro", "micro"):
            assert precision[f"precision_{average}"] == pytest.approx(recall[f"recall_{average}"], rel=1e-12)
        f1, swapped = F1()._compute(predictions, references), F1()._compute(references, predictions)
        assert f1["f1_macro"] == pytest.approx(swapped["f1_macro"], rel=1e-12)


@pytest.mark.parametrize("name", PER_LABEL)
def test_one_label_a_row_has_accuracy_as_micro_average(name: str) -> None:
    predictions, references = single_label_data(0, 6, 2)
    accuracy = Accuracy()._compute(predictions, references)["accuracy"]
    assert PER_LABEL[name]()._compute(predictions, references)[f"{name}_micro"] == accuracy


@pytest.mark.parametrize("metric", PER_LABEL.values())
def test_degenerate_labels_are_numbers(metric: type) -> None:
    """Nothing right, everything right, a single row, more labels than rows."""
    for predictions, references, num_labels, expected in (
        ([1, 0, 2], [0, 1, 1], 3, {0.0}),
        (range(30), range(30), 30, {1.0}),
        ([0], [0], 1, {1.0}),
        ([0, 0], [0, 0], 2, {0.0, 0.5, 1.0}),
        ([[1], [0]], [[1], [0]], 1, {1.0}),
        ([[1], [0]], [[0], [1]], 1, {0.0}),
        ([[0], [0]], [[0], [0]], 1, {0.0}),
        ([[1, 1]], [[1, 1]], 2, {1.0}),
        ([[0, 0, 0]] * 4, [[0, 0, 0]] * 4, 3, {0.0}),
    ):
        assert set(metric()._compute(predictions, references, num_labels).values()) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracy_is_the_share_of_right_rows(seed: int) -> None:
    predictions, references = single_label_data(seed, 5)
    assert Accuracy()._compute(predictions, references) == {
        "accuracy": pytest.approx((predictions == references).mean())
    }
    for num_labels in (1, 2, 6):
        predictions, references = multi_label_data(seed, num_labels)
        assert Accuracy()._compute(predictions, references) == {
            "accuracy": pytest.approx((predictions == references).all(axis=1).mean()),
            "hamming_loss": pytest.approx((predictions != references).mean()),
        }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("num_labels", "num_absent"), [(2, 0), (4, 0), (12, 3)])
def test_matthews_is_the_correlation_of_indicators(num_labels: int, num_absent: int, seed: int) -> None:
    """Gorodkin's definition: the covariances of the labels' indicators, summed over the labels."""
    predictions, references = single_label_data(seed, num_labels, num_absent)
    predicted, expected = (np.eye(num_labels)[array] for array in (predictions, references))
    predicted, expected = predicted - predicted.mean(axis=0), expected - expected.mean(axis=0)
    correlation = (predicted * expected).sum() / np.sqrt((predicted**2).sum() * (expected**2).sum())
    result = MatthewsCorrelation()._compute(predictions, references, num_labels)
    assert result == {"matthews_correlation": pytest.approx(correlation, rel=1e-12)}


def test_matthews_is_exact_beyond_64_bits() -> None:
    # 200,000 rows: the product of the two spreads is about 1e20, past 2**63.
    references = np.tile([0, 1], 100_000)
    predictions = references.copy()
    predictions[:20_000] = 1 - predictions[:20_000]
    # tp = tn = 90,000, fp = fn = 10,000: (90**2 - 10**2) / (100 * 100) = 0.8.
    assert MatthewsCorrelation()._compute(predictions, references) == {
        "matthews_correlation": pytest.approx(0.8, rel=1e-12)
    }


def test_matthews_of_many_labels_needs_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 labels would have one of 80 GB."""
    rng = np.random.default_rng(0)
    references = rng.integers(0, 100_000, 5_000)
    predictions = np.where(rng.random(5_000) < 0.5, references, rng.integers(0, 100_000, 5_000))
    found = MatthewsCorrelation()._compute(predictions, references, num_labels=100_000)["matthews_correlation"]
    assert found == pytest.approx((predictions == references).mean(), abs=1e-3)
    few = MatthewsCorrelation()._compute(predictions % 50, references % 50, num_labels=50)
    monkeypatch.setattr(classification, "MATRIX_LABELS", 2)
    same = MatthewsCorrelation()._compute(predictions % 50, references % 50, num_labels=50)
    assert same == {"matthews_correlation": pytest.approx(few["matthews_correlation"], rel=1e-12)}


@pytest.mark.parametrize(("predictions", "references"), [([0, 0, 0], [0, 1, 1]), ([0, 1, 1], [0, 0, 0]), ([1], [1])])
def test_matthews_of_one_class_is_zero(predictions: list[int], references: list[int]) -> None:
    assert MatthewsCorrelation()._compute(predictions, references) == {"matthews_correlation": 0.0}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_decimals", [2, 12])
def test_roc_auc_is_the_share_of_pairs_in_order(seed: int, num_decimals: int) -> None:
    """Two decimals make many ties."""
    rng = np.random.default_rng(seed)
    _, references = single_label_data(seed, 2)
    scores = (rng.random(300) + 0.3 * references).round(num_decimals)
    expected = naive_area(scores, references)
    both = np.stack([1 - scores, scores], axis=1)
    assert RocAuc()._compute(references, both) == {"roc_auc": pytest.approx(expected, rel=1e-12)}
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}

    _, references = single_label_data(seed, 5)
    scores = rng.random((300, 5)).round(num_decimals)
    expected = np.mean([naive_area(scores[:, label], references == label) for label in range(5)])
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}

    references = np.eye(5, dtype=int)[references]
    assert RocAuc()._compute(references, scores) == {"roc_auc": pytest.approx(expected, rel=1e-12)}


def test_roc_auc_depends_on_the_order_of_scores_alone() -> None:
    rng = np.random.default_rng(0)
    _, references = single_label_data(0, 5)
    scores = rng.random((300, 5))
    area = RocAuc()._compute(references, scores)["roc_auc"]
    assert RocAuc()._compute(references, np.exp(3 * scores)) == {"roc_auc": pytest.approx(area, rel=1e-12)}
    assert RocAuc()._compute(references, -scores) == {"roc_auc": pytest.approx(1 - area, rel=1e-12)}


def test_roc_auc_leaves_out_absent_labels_and_says_so() -> None:
    rng = np.random.default_rng(0)
    _, references = single_label_data(0, 5, num_absent=2)
    scores = rng.dirichlet(np.ones(5), 300)
    metric = RocAuc()
    expected = [naive_area(scores[:, label], references == label) for label in range(3)]
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
