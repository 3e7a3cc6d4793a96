"""Intervals, baselines, calibration and the tables behind the page."""

from __future__ import annotations

import numpy as np
import pytest
import report_contents as contents

from ftkit.report.content import EvaluatedSplit
from ftkit.report.intervals import baseline, interval, wilson
from ftkit.report.plots import calibration_error
from ftkit.report.tables import confused_pairs, error_rows, label_rows
from ftkit.types import Split


def _split(predictions: list[int], references: list[int], confidences: list[float] | None = None) -> EvaluatedSplit:
    examples = contents.examples([str(label) for label in references])
    return EvaluatedSplit(
        "test",
        Split("test", "test.csv", examples),
        np.array(predictions),
        np.array(references),
        None if confidences is None else np.array(confidences),
    )


def test_wilson_equals_the_published_formula() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 0 of 20.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0.0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_bootstrap_holds_the_score_and_is_seeded() -> None:
    content = contents.multi_label_content()
    split = content.evaluated[0]
    value = content.score(split, "f1_micro")
    low, high = interval(split, "f1_micro", value, num_labels=5) or (1.0, 0.0)
    assert value is not None
    assert low < value < high
    assert high - low < 0.08
    assert interval(split, "f1_micro", value, num_labels=5) == (low, high)


def test_no_interval_for_a_score_that_is_another_statistic_or_unknown() -> None:
    split = contents.regression_content().evaluated[0]
    assert interval(split, "mse", 123.0, num_labels=1) is None
    assert interval(split, "my_score", 0.5, num_labels=1) is None
    assert interval(split, "mse", None, num_labels=1) is None


def test_no_interval_for_macro_f1_with_a_rare_label() -> None:
    split = _split([0] * 30 + [1], [0] * 30 + [1])
    assert interval(split, "f1_macro", 1.0, num_labels=3) is None


def test_baseline() -> None:
    assert baseline(_split([0, 0, 0, 0], [1, 1, 1, 0]), "accuracy") == 0.75
    regression = contents.regression_split("test", num_rows=50, source="x.csv")
    assert baseline(regression, "mse") == pytest.approx(regression.references.var())
    assert baseline(regression, "pearson") is None


def test_calibration_error() -> None:
    assert calibration_error(np.array([0.95, 0.95]), np.array([True, False])) == pytest.approx(0.45)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_confused_pairs_are_counted_and_ordered() -> None:
    split = _split([1, 1, 0, 2, 2, 2], [0, 0, 1, 2, 1, 1])
    pairs = confused_pairs(split, ("a", "b", "c"), 2)
    assert [(pair.expected, pair.predicted, pair.count, pair.support) for pair in pairs] == [
        ("a", "b", 2, 2),
        ("b", "c", 2, 3),
    ]


def test_errors_are_the_most_confident_first_and_right_rows_are_not_among_them() -> None:
    split = _split([1, 1, 0, 1], [0, 0, 0, 1], [0.6, 0.9, 0.99, 0.99])
    content = contents.single_label_content(("no", "yes"))
    rows = error_rows(content, split)
    assert [(row.line, row.id, row.expected, row.predicted, row.weight) for row in rows] == [
        (3, "q1", "no", "yes", "0.9000"),
        (2, "q0", "no", "yes", "0.6000"),
    ]


def test_errors_without_confidences_come_in_file_order() -> None:
    rows = error_rows(contents.single_label_content(("no", "yes")), _split([1, 0, 1], [0, 1, 1]))
    assert [(row.line, row.weight) for row in rows] == [(2, "–"), (3, "–")]


def test_numbers_that_are_not_finite_are_the_largest_errors() -> None:
    content = contents.regression_content(num_rows=40)
    split = content.evaluated[0]
    split.predictions[7] = np.nan
    assert error_rows(content, split)[0].line == 9
    assert error_rows(content, split)[0].predicted == "–"


def test_label_rows_are_sorted_by_support_and_a_quarter_of_few_is_marked() -> None:
    table = {
        "a": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 5},
        "b": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 9},
        "absent": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
    }
    rows = label_rows(table)
    assert [(row.name, row.support, row.is_worst) for row in rows] == [
        ("b", 9, True),
        ("a", 5, False),
        ("absent", 0, False),
    ]


def test_of_many_labels_the_lowest_are_kept() -> None:
    table = {f"l{i}": {"precision": 0.5, "recall": 0.5, "f1": i / 1000, "support": 1 + i} for i in range(1000)}
    rows = label_rows(table)
    assert len(rows) == 200
    assert {row.name for row in rows} == {f"l{i}" for i in range(200)}
    assert rows[0].name == "l199"


def test_scores_tell_each_thing_once() -> None:
    content = contents.single_label_content(("a", "b", "c"), num_rows=60)
    test = content.evaluated[1]
    accuracy, macro = content.results["test_accuracy"], content.results["test_f1_macro"]
    content.results.update({"test_f1": macro, "test_f1_micro": accuracy, "test_f1_weighted": 0.5, "test_runtime": 3.0})
    assert list(content.scores(test)) == ["accuracy", "f1_macro", "f1_weighted", "loss"]
    binary = contents.single_label_content(("a", "b"), num_rows=60)
    binary.results.update({"test_f1": 0.123})
    assert "f1" in binary.scores(binary.evaluated[1])
    assert "f1_micro" in contents.multi_label_content().scores(contents.multi_label_content().evaluated[0])
