"""The table of metrics: its names, its keys, and the checks a config makes before anything is loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import evaluate
import grimp
import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics.checks import (
    available_keys,
    check_computed,
    check_metric_key,
    check_metric_names,
    default_key,
    greater_is_better,
    is_external,
    metric_names,
)
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.spec import MetricEntry, MetricGroup
from ftkit.metrics.table import METRICS, find_metric
from ftkit.own_code import find_own
from ftkit.types import PROBLEM_TYPES, LabelSpace, PredictedAnswer, ProblemType

SINGLE = GROUPS["single_label_classification"]
MULTI = GROUPS["multi_label_classification"]
REGRESSION = GROUPS["regression"]
LOSS_ONLY = MetricGroup(name="mine")


@pytest.mark.parametrize("entry", METRICS, ids=lambda entry: f"{entry.name}-{entry.groups[0]}")
def test_every_entry_is_an_evaluate_metric(entry: MetricEntry) -> None:
    assert issubclass(find_own(entry.reference), evaluate.Metric)
    assert set(entry.groups) <= set(GROUPS)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_has_each_metric_once(name: str) -> None:
    names = metric_names(GROUPS[name])
    assert len(names) == len(set(names))
    keys = available_keys(names, GROUPS[name])
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("group", GROUPS.values(), ids=lambda group: group.name)
def test_defaults_suit_and_yield_the_primary_metric(group: MetricGroup) -> None:
    check_metric_names(group.defaults, group)
    check_metric_key(group.primary, group.defaults, group)
    assert default_key(group.defaults, group) == group.primary
    entries = [find_metric(name, group.name) for name in group.defaults]
    assert not any(entry is None or entry.needs_scores for entry in entries)


@pytest.mark.parametrize("problem_type", PROBLEM_TYPES)
def test_table_lists_exactly_the_keys_that_are_computed(problem_type: ProblemType) -> None:
    group = GROUPS[problem_type]
    names = metric_names(group)
    scorer = make_scorer(names, group, labels=LabelSpace(("a", "b", "c"), problem_type))
    rows = np.eye(3, dtype=int) if group is MULTI else np.arange(3)
    result = scorer.compute(rows, rows, np.eye(3))
    result.pop("per_label", None)
    assert tuple(result) == available_keys(names, group) == scorer.keys


PERCENTAGES = {"bleu", "chrf++"}
"""sacreBLEU's: all other shares are from 0 to 1, whatever the kind."""


def test_one_scale_in_all_kinds() -> None:
    """What is exactly right scores 1, and 100 by sacreBLEU: no key is a share in one kind, a percentage in another."""
    answers = np.empty(2, object)
    answers[:] = [PredictedAnswer("a red house", "a red house"), PredictedAnswer("", "in 1876", 0.9)]
    right = {
        "question-answering": (answers, [("a red house",), ()]),
        "token-classification": (tags := [[0, 1], [2, 3]], tags),
        "plain-tags": (tags, tags),
        "translation": (texts := ["a very red house stands here"] * 2, texts),
        "summarization": (texts, texts),
        "text-ranking": ([[0.9, 0.1]], [[1.0, 0.0]]),
    }
    labels = LabelSpace(("B-PER", "O", "B-LOC", "I-LOC"))
    for name, (predictions, references) in right.items():
        names = metric_names(GROUPS[name])
        found = make_scorer(names, GROUPS[name], labels=labels).compute(predictions, references)
        keys = [key for key in available_keys(names, GROUPS[name]) if greater_is_better(key) and key in found]
        scores = {key: found[key] for key in keys if not key.endswith("_thresh")}
        assert scores == {key: pytest.approx(100 if key in PERCENTAGES else 1) for key in scores}, name
        assert GROUPS[name].primary in scores
    exact = find_own(find_metric("exact_match", "text-generation").reference)()  # type: ignore[union-attr]
    assert exact.compute(predictions=texts, references=texts) == {"exact_match": 1.0}


def test_unknown_name_offers_the_closest_and_lists_the_rest() -> None:
    with pytest.raises(ConfigError, match=r"'acuracy'.*Did you mean 'accuracy'\?.*'roc_auc'.*hub:owner/name"):
        check_metric_names(["f1", "acuracy"], SINGLE)


def test_key_named_as_a_metric_is_explained() -> None:
    with pytest.raises(ConfigError, match="'f1_macro' is one of the values of the metric 'f1'"):
        check_metric_names(["f1_macro"], SINGLE)


@pytest.mark.parametrize(
    ("name", "group"),
    [("mse", SINGLE), ("pearson", MULTI), ("f1", REGRESSION), ("matthews_correlation", MULTI)],
    ids=lambda value: getattr(value, "name", value),
)
def test_unsuited_name_is_refused(name: str, group: MetricGroup) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' is for .* but this task is {group.name}"):
        check_metric_names([name], group)


def test_unsuited_name_that_is_a_key_of_the_group_is_explained() -> None:
    message = "'f1' is for single.* but this task is token-classification. 'f1' is one of the values of .*'seqeval'"
    with pytest.raises(ConfigError, match=message):
        check_metric_names(["f1"], GROUPS["token-classification"])


def test_repeated_names_and_a_bare_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        check_metric_names(["f1", "f1"], SINGLE)
    with pytest.raises(ConfigError, match=r"expected a list of names, such as \[f1\]"):
        check_metric_names("f1", SINGLE)


EXTERNAL = ["hub:accuracy", "hub:owner/name", "my/metric.py", "metric.py", "metric.py:share", "package.module:Share"]


def test_external_names_pass_unchecked() -> None:
    assert all(map(is_external, EXTERNAL))
    assert not any(is_external(entry.name) for entry in METRICS)
    check_metric_names(EXTERNAL, SINGLE)


@pytest.mark.parametrize("name", [*EXTERNAL, "accuracy"])
def test_what_is_judged_by_its_loss_alone_takes_no_metric(name: str) -> None:
    with pytest.raises(ConfigError, match=f"metrics: .*'{name}'.*mine is judged by its loss alone: leave metrics"):
        check_metric_names([name], LOSS_ONLY)


def test_loss_alone_has_a_scorer_without_keys() -> None:
    scorer = make_scorer(LOSS_ONLY.defaults, LOSS_ONLY)
    assert (scorer.keys, scorer.needs_scores, LOSS_ONLY.primary) == ((), False, "loss")
    assert scorer.compute([], []) == {}
    check_metric_key("eval_loss", (), LOSS_ONLY)


def test_a_group_may_refuse_metrics_from_elsewhere_only() -> None:
    group = MetricGroup(name="regression", scorer=REGRESSION.scorer)
    check_metric_names(["mse"], group)
    with pytest.raises(ConfigError, match="'hub:a/b' cannot be computed: regression predicts nothing .* 'spearman'"):
        check_metric_names(["hub:a/b"], group)


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


def test_any_key_may_come_from_an_external_metric_until_it_is_loaded() -> None:
    check_metric_key("strictness", ["accuracy", "hub:owner/strict"], SINGLE)
    check_computed("eval_strictness", ("accuracy", "strictness"), SINGLE)
    with pytest.raises(ConfigError, match="'stricness' is not computed. Did you mean 'strictness'"):
        check_computed("stricness", ("accuracy", "strictness"), SINGLE)


def test_without_the_group_s_key_the_loss_decides() -> None:
    assert default_key(["f1"], SINGLE) == "loss"
    assert default_key(["accuracy", "f1"], SINGLE) == "accuracy"


@pytest.mark.parametrize(
    "key", ["loss", "eval_loss", "mse", "rmse", "mae", "hamming_loss", "eval_hamming_loss", "test_rmse", "eval_ter"]
)
def test_errors_are_better_when_smaller(key: str) -> None:
    assert not greater_is_better(key)


@pytest.mark.parametrize("key", ["accuracy", "f1_macro", "roc_auc", "pearson", "matthews_correlation"])
def test_scores_are_better_when_greater(key: str) -> None:
    assert greater_is_better(key)


def test_checking_names_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from ftkit.metrics.checks import check_metric_names\n"
        "from ftkit.metrics.groups import GROUPS\n"
        "group = GROUPS['single_label_classification']\n"
        "check_metric_names(['f1'], group)\n"
        "heavy = {'evaluate', 'datasets', 'sklearn', 'scipy', 'torch', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from ftkit.metrics.scorer import make_scorer\n"
        "from ftkit.types import LabelSpace\n"
        "make_scorer(['f1'], group, labels=LabelSpace(('a', 'b')))\n"
        "heavy = {'evaluate', 'datasets', 'sklearn', 'scipy', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_documentation_names_every_metric_and_its_example_works(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    named = [(row, set(re.findall("`([^`]+)`", row))) for row in section.splitlines()]
    for group in filter(metric_names, GROUPS.values()):
        rows = [row for row, names in named if names >= set(metric_names(group)) and f"| `{group.primary}` |" in row]
        assert set(group.defaults) in [set(re.findall(r"\*\*`([^`]+)`", row)) for row in rows], group.name
    (tmp_path / "length.py").write_text(section.partition("```python\n")[2].partition("```")[0])
    scorer = make_scorer([f"{tmp_path}/length.py:length_ratio"], GROUPS["translation"])
    assert scorer.compute(["abc"], ["abcd"]) == {"length_ratio": 0.75}


def test_the_package_imports_run_one_way() -> None:
    """No cycle, not even inside functions or for type checkers; and no module leans on the package itself."""
    graph = grimp.build_graph("ftkit", cache_dir=None)
    modules = {"ftkit.metrics", *graph.find_descendants("ftkit.metrics")}
    imports = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
    assert len(modules) > 15
    assert not [module for module, imported in imports.items() if "ftkit.metrics" in imported]
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules
