"""The scorer: one flat result of plain values, which depends on which prediction meets which reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.errors import ConfigError, DataError
from ftkit.metrics.checks import metric_names
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.types import LabelSpace, ProblemType

SINGLE = LabelSpace(tuple("abcde"))
MULTI = LabelSpace(tuple("abcde"), "multi_label_classification")
REGRESSION = LabelSpace(("score",), "regression")


def scorer_of(names: Sequence[str], labels: LabelSpace) -> Scorer:
    return make_scorer(names, GROUPS[labels.problem_type], labels=labels)


def all_names(problem_type: ProblemType) -> list[str]:
    return metric_names(GROUPS[problem_type])


def random_data(labels: LabelSpace, num_rows: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, references and scores of a fair classifier."""
    rng = np.random.default_rng(7)
    if labels.problem_type == "regression":
        references = rng.normal(size=num_rows)
        return references + rng.normal(size=num_rows), references, rng.random((num_rows, 1))
    scores = rng.random((num_rows, len(labels)))
    if labels.problem_type == "multi_label_classification":
        references = (rng.random(scores.shape) < scores).astype(int)
        return (scores > 0.6).astype(int), references, scores
    noisy = scores + 0.2 * rng.random(scores.shape)
    return scores.argmax(axis=1), noisy.argmax(axis=1), scores


@pytest.mark.parametrize("labels", [SINGLE, MULTI, REGRESSION], ids=lambda labels: labels.problem_type)
def test_every_value_depends_on_the_pairing_of_rows(labels: LabelSpace) -> None:
    predictions, references, scores = random_data(labels)
    scorer = scorer_of(all_names(labels.problem_type), labels)
    before = scorer.compute(predictions, references, scores)
    order = np.random.default_rng(1).permutation(len(references))

    shuffled = scorer.compute(predictions[order], references, scores[order])
    together = scorer.compute(predictions[order], references[order], scores[order])

    before.pop("per_label", None), shuffled.pop("per_label", None), together.pop("per_label", None)
    assert all(before[key] != pytest.approx(shuffled[key], rel=1e-3) for key in before)
    assert together == pytest.approx(before)


@pytest.mark.parametrize("labels", [SINGLE, MULTI, REGRESSION], ids=lambda labels: labels.problem_type)
def test_values_are_plain(labels: LabelSpace) -> None:
    predictions, references, scores = random_data(labels)
    result = scorer_of(all_names(labels.problem_type), labels).compute(predictions, references, scores)
    per_label = result.pop("per_label", {})
    assert {type(value) for value in result.values()} == {float}
    for row in per_label.values():
        assert [type(value) for value in row.values()] == [float, float, float, int]
    assert json.loads(json.dumps([result, per_label], allow_nan=False)) == [result, per_label]


@pytest.mark.parametrize(("positive", "index"), [("-1", 0), ("1", 1), (None, 1)])
def test_of_two_labels_the_positive_one_is_scored_as_by_scikit_learn(positive: str | None, index: int) -> None:
    from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

    labels = LabelSpace(("-1", "1"))
    predictions, references, scores = random_data(labels)
    predictions[:150] = 1
    options = {"positive_label": positive}
    scorer = make_scorer(
        ["precision", "recall", "f1", "roc_auc"], GROUPS[labels.problem_type], labels=labels, options=options
    )
    result = scorer.compute(predictions, references, scores)
    assert scorer.facts == {"positive_label": labels.names[index]}
    for key, function in {"precision": precision_score, "recall": recall_score, "f1": f1_score}.items():
        assert result[key] == pytest.approx(function(references, predictions, pos_label=index))
        assert result[key] != pytest.approx(function(references, predictions, pos_label=1 - index))
    assert result["roc_auc"] == pytest.approx(roc_auc_score(references == index, scores[:, index]))


def test_the_positive_label_is_one_to_metrics_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def positives(predictions, references, scores):\n"
        "    return {'predicted': sum(predictions), 'expected': sum(references), 'sure': sum(scores)}\n"
    )
    labels = LabelSpace(("yes", "no"))
    names = [f"{tmp_path / 'mine.py'}:positives"]
    scorer = make_scorer(names, GROUPS[labels.problem_type], labels=labels, options={"positive_label": "yes"})
    result = scorer.compute([0, 0, 1], [0, 1, 1], np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]]))
    assert (result["predicted"], result["expected"], result["sure"]) == (2, 1, 1.5)


@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=lambda labels: labels.problem_type)
def test_averages_are_those_of_per_label(labels: LabelSpace) -> None:
    predictions, references, _ = random_data(labels)
    result = scorer_of(["precision", "recall", "f1"], labels).compute(predictions, references)
    rows = result["per_label"].values()
    support = references.sum(axis=0) if labels is MULTI else np.bincount(references)
    assert [row["support"] for row in rows] == support.tolist()
    for key in ("precision", "recall", "f1"):
        values = [row[key] for row in rows]
        assert result[f"{key}_macro"] == pytest.approx(np.mean(values))
        assert result[f"{key}_weighted"] == pytest.approx(values @ support / support.sum())


def test_nothing_right_is_zero_for_every_label() -> None:
    result = scorer_of(["accuracy"], SINGLE).compute([1, 2], [0, 0])
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert result["per_label"] == {**dict.fromkeys("abcde", nothing), "a": {**nothing, "support": 2}}
    assert type(result["per_label"]["a"]["support"]) is int


def test_f1_is_that_of_the_second_of_two_labels() -> None:
    scorer = scorer_of(["f1"], LabelSpace(("negative", "positive")))
    result = scorer.compute([0, 1, 1], [0, 1, 0])
    assert result["f1"] == result["per_label"]["positive"]["f1"] == pytest.approx(2 / 3)

    both = scorer_of(["f1"], LabelSpace(("a", "b"), "multi_label_classification"))
    result = both.compute([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    assert result["f1"] == result["f1_macro"]


def test_regression_has_no_per_label() -> None:
    assert "per_label" not in scorer_of(["mse"], REGRESSION).compute([1.0, 2.0], [1.0, 2.5])


@pytest.mark.parametrize("labels", [SINGLE, MULTI, REGRESSION], ids=lambda labels: labels.problem_type)
def test_no_rows_gives_none(labels: LabelSpace) -> None:
    shape = (0, 5) if labels is MULTI else (0,)
    scorer = scorer_of(all_names(labels.problem_type), labels)
    rows = np.zeros(shape, dtype=int)
    result = scorer.compute(rows, rows, np.zeros((0, len(labels))))
    for row in result.pop("per_label", {}).values():
        assert row == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert set(result.values()) == {None}
    assert set(scorer.notes) == set(result)


def test_notes_are_those_of_the_last_result() -> None:
    scorer = scorer_of(["pearson"], REGRESSION)
    assert scorer.compute([1, 1], [1, 2]) == {"pearson": None}
    assert "constant" in scorer.notes["pearson"]
    scorer.compute([1, 2], [1, 2])
    assert scorer.notes == {}


def test_scores_are_asked_for_only_where_they_are_read() -> None:
    assert not scorer_of(["accuracy", "f1"], SINGLE).needs_scores
    scorer = scorer_of(["accuracy", "roc_auc"], SINGLE)
    assert scorer.needs_scores
    with pytest.raises(DataError, match="scores are missing: 'roc_auc'"):
        scorer.compute([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("labels", "predictions", "references", "scores", "message"),
    [
        (SINGLE, [[0, 1]], [[0, 1]], None, r"expected \(N,\)"),
        (MULTI, [0, 1], [0, 1], None, r"expected \(N, L\)"),
        (MULTI, [[0, 1]], [[0, 1]], None, "2 columns, but there are 5 labels"),
        (SINGLE, [0, 5], [0, 1], None, "5 is no label index"),
        (SINGLE, [0, 1], [0, 1, 2], None, "one prediction for each reference"),
        (SINGLE, [0], [0], [[0.5, 0.5]], r"scores have the shape \(1, 2\); expected \(N, 5\)"),
    ],
)
def test_what_does_not_fit_the_labels_is_refused(
    labels: LabelSpace, predictions: Any, references: Any, scores: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        scorer_of(["accuracy"], labels).compute(predictions, references, scores)


def test_names_are_checked() -> None:
    with pytest.raises(ConfigError, match="'mse' is for regression"):
        scorer_of(["mse"], SINGLE)


def test_does_not_touch_the_random_state() -> None:
    predictions, references, scores = random_data(SINGLE)
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    scorer_of(all_names("single_label_classification"), SINGLE).compute(predictions, references, scores)
    assert np.random.random() == expected
