"""Intervals, baselines, calibration and the tables behind the page."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import report_contents as contents

from ftkit.report.blocks.block import find_block
from ftkit.report.blocks.confusion import confused_pairs
from ftkit.report.blocks.error_table import ErrorRow
from ftkit.report.blocks.label_scores import label_rows
from ftkit.report.blocks.reliability import calibration_error
from ftkit.report.card import card_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap, wilson
from ftkit.report.page import page_values
from ftkit.report.readings.entities import f1_interval
from ftkit.report.readings.label import largest_share
from ftkit.report.readings.label_scores import label_interval
from ftkit.report.readings.number import error_interval, mean_error
from ftkit.report.readings.reading import find_reading, interval_note
from ftkit.report.readings.text import bleu_interval
from ftkit.types import Split, TokenExample


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


def test_bootstrap_of_a_share() -> None:
    is_right = np.arange(10) < 9
    assert bootstrap(lambda rows: is_right[rows].mean(), 10, reported=0.9) == pytest.approx((0.7, 1.0))
    assert bootstrap(lambda rows: is_right[rows].mean(), 10, reported=0.8) is None
    assert bootstrap(lambda rows: float("nan") if rows[0] else 0.9, 10, reported=0.9) is None


# The bounds that these scores had when every kind of answer had a bootstrap of its own.
BOUNDS = {
    "several labels": (contents.multi_label_content, (0.849990234375, 0.8946361038519557)),
    "numbers": (contents.regression_content, (0.13748373520897303, 0.17062484115920315)),
    "entities": (contents.tagging_content, (0.7281332744924978, 0.8700203349282296)),
    "texts": (contents.translation_content, (72.08767081734119, 80.45679528172214)),
}


def _interval(content: ReportContent, value: float | None) -> tuple[float, float] | None:
    split, metric = content.evaluated[0], content.primary_metric
    if content.reading == "number":
        return error_interval(split, metric, value)
    if content.reading == "label-set":
        return label_interval(split, metric, value, num_labels=len(content.label_names))
    return {"entities": f1_interval, "text": bleu_interval}[content.reading](content, split, value)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_hold_the_score_and_are_seeded(name: str) -> None:
    make, bounds = BOUNDS[name]
    content = make()
    value = content.score(content.evaluated[0], content.primary_metric)
    assert value is not None
    low, high = _interval(content, value) or (1.0, 0.0)
    assert low < value < high
    assert (low, high) == pytest.approx(bounds, rel=1e-12)
    assert _interval(content, value) == (low, high)
    assert _interval(content, value * 1.01) is None, "a score that is another statistic"
    assert _interval(content, None) is None


def test_an_interval_of_ranks_is_that_of_ranked_values() -> None:
    from scipy.stats import rankdata

    generator = np.random.default_rng(1)
    predicted, expected = generator.normal(size=20), generator.integers(4, size=20) / 2  # equal scores share a rank

    def correlation(rows: np.ndarray) -> float:
        return float(np.corrcoef(rankdata(predicted[rows]), rankdata(expected[rows]))[0, 1])

    value = correlation(np.arange(20))
    split = EvaluatedSplit("test", Split("test", "x", [None] * 20), predicted, expected)
    content = contents.similarity_content()
    (told,) = find_reading("similarity").notes(content, split, value)
    bounds = bootstrap(correlation, 20, reported=value)
    assert bounds is not None
    assert [told] == list(interval_note(content.primary_metric, bounds))


def test_no_interval_for_a_score_that_is_not_known() -> None:
    split = contents.regression_content().evaluated[0]
    assert error_interval(split, "my_score", 0.5) is None
    assert label_interval(contents.multi_label_content().evaluated[0], "my_score", 0.5, num_labels=5) is None


def test_no_interval_for_macro_f1_with_a_rare_label() -> None:
    split = _split([0] * 30 + [1], [0] * 30 + [1])
    assert label_interval(split, "f1_macro", 1.0, num_labels=3) is None


@pytest.mark.parametrize("positive", ["yes", "no | <b>"])
def test_scores_of_the_positive_label_name_it(positive: str) -> None:
    names = ("no | <b>", "yes")
    content = contents.single_label_content(names)
    split = content.evaluated[-1]
    f1 = contents.per_label(split, names)[positive]["f1"]
    results = {**content.results, "test_f1": f1, "positive_label": positive}
    content = dataclasses.replace(content, results=results, primary_metric="f1")
    page = page_values(content)
    assert page.headline is not None
    assert page.headline.metric == f"F1 (label {positive})"
    assert any("95% interval" in note for note in page.headline.notes)
    assert f"F1 (label {positive})" in page.scores.rows
    assert "F1 (macro)" in page.scores.rows
    card = card_values(content)
    assert card.headline is not None
    assert card.headline.startswith(f"F1 (label {positive})")
    assert f"F1 (label {positive})" in {result.metric_name for result in card.results}


def test_what_no_skill_would_reach() -> None:
    assert largest_share(_split([0, 0, 0, 0], [1, 1, 1, 0])) == 0.75
    regression = contents.regression_split("test", num_rows=50, source="x.csv")
    assert mean_error(regression, "mse") == pytest.approx(regression.references.var())
    assert mean_error(regression, "pearson") is None


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


def _errors(content: ReportContent, split: EvaluatedSplit) -> list[ErrorRow]:
    values = find_block(content.blocks[-1]).values(content, split)
    assert values is not None
    return values["rows"]


def test_errors_are_the_most_confident_first_and_right_rows_are_not_among_them() -> None:
    split = _split([1, 1, 0, 1], [0, 0, 0, 1], [0.6, 0.9, 0.99, 0.99])
    rows = _errors(contents.single_label_content(("no", "yes")), split)
    assert [(row.line, row.id, row.expected, row.predicted, row.weight) for row in rows] == [
        (3, "q1", "no", "yes", "0.9000"),
        (2, "q0", "no", "yes", "0.6000"),
    ]


def test_errors_without_confidences_come_in_file_order() -> None:
    rows = _errors(contents.single_label_content(("no", "yes")), _split([1, 0, 1], [0, 1, 1]))
    assert [(row.line, row.weight) for row in rows] == [(2, "–"), (3, "–")]


def test_numbers_that_are_not_finite_are_the_largest_errors() -> None:
    content = contents.regression_content(num_rows=40)
    split = content.evaluated[0]
    split.predictions[7] = np.nan
    first = _errors(content, split)[0]
    assert (first.line, first.predicted) == (9, "–")


def test_entities_that_were_missed_made_up_or_mislabelled() -> None:
    words = ("Anna", "saw", "New", "York", "and", "Oslo")
    example = TokenExample(id="s", words=words, line=4)
    expected, predicted, confidences = (np.empty(1, dtype=object) for _ in range(3))
    expected[0] = np.array([1, 0, 3, 4, 0, 0])  # Anna (PER), New York (LOC)
    predicted[0] = np.array([0, 0, 3, 0, 0, 1])  # New (LOC), Oslo (PER)
    confidences[0] = np.array([0.9, 1.0, 0.8, 0.6, 1.0, 0.7])
    split = EvaluatedSplit("test", Split("test", "t.conll", [example]), predicted, expected, confidences)
    content = contents.tagging_content()
    assert [(row.expected, row.predicted, row.weight) for row in _errors(content, split)] == [
        ("Anna (PER)", "(no entity)", "0.9000"),
        ("New York (LOC)", "New (LOC)", "0.8000"),
        ("(no entity)", "Oslo (PER)", "0.7000"),
    ]
    without = [row.without_texts() for row in _errors(content, split)]
    assert [(row.expected, row.predicted, row.texts, row.id) for row in without] == [
        ("PER", "(no entity)", (), None),
        ("LOC", "LOC", (), None),
        ("(no entity)", "PER", (), None),
    ]


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
