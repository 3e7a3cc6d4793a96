"""The table of metrics: its names, its keys, and the checks a config makes before anything is loaded."""

from __future__ import annotations

import subprocess
import sys

import evaluate
import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics import (
    DEFAULT_METRICS,
    METRICS,
    PRIMARY_METRIC,
    Scorer,
    available_keys,
    check_metric_key,
    check_metric_names,
    greater_is_better,
    metric_class,
)
from ftkit.types import PROBLEM_TYPES, LabelSpace, ProblemType

SINGLE: ProblemType = "single_label_classification"
MULTI: ProblemType = "multi_label_classification"


@pytest.mark.parametrize("name", METRICS)
def test_every_entry_is_an_evaluate_metric(name: str) -> None:
    assert issubclass(metric_class(name), evaluate.Metric)


@pytest.mark.parametrize("problem_type", PROBLEM_TYPES)
def test_defaults_suit_and_yield_the_primary_metric(problem_type: ProblemType) -> None:
    check_metric_names(DEFAULT_METRICS[problem_type], problem_type)
    check_metric_key(PRIMARY_METRIC[problem_type], DEFAULT_METRICS[problem_type], problem_type)
    assert not any(METRICS[name].needs_scores for name in DEFAULT_METRICS[problem_type])


@pytest.mark.parametrize("problem_type", PROBLEM_TYPES)
def test_table_lists_exactly_the_keys_that_are_computed(problem_type: ProblemType) -> None:
    names = [name for name, entry in METRICS.items() if problem_type in entry.problem_types]
    scorer = Scorer(names, LabelSpace(("a", "b", "c"), problem_type))
    rows = np.eye(3, dtype=int) if problem_type == MULTI else np.arange(3)
    result = scorer.compute(rows, rows, np.eye(3))
    result.pop("per_label", None)
    assert tuple(result) == available_keys(names, problem_type) == scorer.keys


def test_unknown_name_offers_the_closest_and_lists_the_rest() -> None:
    with pytest.raises(ConfigError, match=r"'acuracy'.*Did you mean 'accuracy'\?.*'roc_auc'.*hub:owner/name"):
        check_metric_names(["f1", "acuracy"], SINGLE)


def test_key_named_as_a_metric_is_explained() -> None:
    with pytest.raises(ConfigError, match="'f1_macro' is one of the values of the metric 'f1'"):
        check_metric_names(["f1_macro"], SINGLE)


@pytest.mark.parametrize(
    ("name", "problem_type"),
    [("mse", SINGLE), ("pearson", MULTI), ("f1", "regression"), ("matthews_correlation", MULTI)],
)
def test_unsuited_name_is_refused(name: str, problem_type: ProblemType) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is for .* but this task is {problem_type}"):
        check_metric_names([name], problem_type)


def test_repeated_names_and_a_bare_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        check_metric_names(["f1", "f1"], SINGLE)
    with pytest.raises(ConfigError, match=r"expected a list of names, such as \[f1\]"):
        check_metric_names("f1", SINGLE)


def test_external_names_pass_unchecked() -> None:
    check_metric_names(["hub:accuracy", "hub:owner/name", "my/metric.py", "metric.py"], SINGLE)


@pytest.mark.parametrize("key", ["accuracy", "f1_weighted", "eval_f1", "loss", "eval_loss"])
def test_computed_key_passes(key: str) -> None:
    check_metric_key(key, ["accuracy", "f1"], SINGLE)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("f1_makro", "Did you mean 'f1_macro'"),
        ("eval_f1_mcro", "Did you mean 'f1_m.cro'"),
        ("roc_auc", "'roc_auc' is one of the values of the metric 'roc_auc': name 'roc_auc' in metrics"),
        ("per_label", "Computed: 'loss', 'accuracy'"),
    ],
)
def test_key_that_is_not_computed_is_refused(key: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_metric_key(key, ["accuracy", "f1"], SINGLE)


def test_any_key_may_come_from_an_external_metric() -> None:
    check_metric_key("strictness", ["accuracy", "hub:owner/strict"], SINGLE)


@pytest.mark.parametrize(
    "key", ["loss", "eval_loss", "mse", "rmse", "mae", "hamming_loss", "eval_hamming_loss", "test_rmse"]
)
def test_errors_are_better_when_smaller(key: str) -> None:
    assert not greater_is_better(key)


@pytest.mark.parametrize("key", ["accuracy", "f1_macro", "roc_auc", "pearson", "matthews_correlation"])
def test_scores_are_better_when_greater(key: str) -> None:
    assert greater_is_better(key)


def test_checking_names_imports_nothing_heavy() -> None:
    script = (
        "import sys, ftkit.metrics as m\n"
        "m.check_metric_names(['f1'], 'single_label_classification')\n"
        "heavy = {'evaluate', 'datasets', 'sklearn', 'scipy', 'torch', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from ftkit.types import LabelSpace\n"
        "m.Scorer(['f1'], LabelSpace(('a', 'b')))\n"
        "heavy = {'evaluate', 'datasets', 'sklearn', 'scipy', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_module_has_no_other_attributes() -> None:
    import ftkit.metrics

    with pytest.raises(AttributeError, match="no attribute 'Skorer'"):
        ftkit.metrics.Skorer  # noqa: B018
