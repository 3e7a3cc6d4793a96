"""Metrics that need no network: which exist, what suits a task, and the `Scorer` that computes them.

Each metric is an `evaluate.Metric` named in the literal table `METRICS`. The table, and every check of
names, is plain Python: `evaluate` takes seconds to import, so a metric's class is imported when it is
first used. Metrics from elsewhere are named `hub:owner/name` or by the path of an evaluate module.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.types import ScoreType

if TYPE_CHECKING:
    from ftkit.metrics.array_metric import ArrayMetric
    from ftkit.metrics.scorer import Scorer

__all__ = [
    "DEFAULT_METRICS",
    "HUB_PREFIX",
    "METRICS",
    "PRIMARY_METRIC",
    "MetricEntry",
    "Scorer",
    "available_keys",
    "check_metric_key",
    "check_metric_names",
    "greater_is_better",
    "is_external",
    "metric_class",
]


@dataclass(frozen=True, kw_only=True)
class MetricEntry:
    """One row of the table of metrics.

    Attributes:
        reference: `module:Class` of an `ArrayMetric`.
        keys: problem type it suits -> the keys it puts into a result.
        needs_scores: whether it reads probabilities rather than predicted labels.
    """

    reference: str
    keys: Mapping[ScoreType, tuple[str, ...]]
    needs_scores: bool = False

    @property
    def problem_types(self) -> tuple[ScoreType, ...]:
        """The problem types it suits."""
        return tuple(self.keys)


HUB_PREFIX = "hub:"
"""Marks a metric's name on the Hub, so that it cannot be taken for a built-in one or a path."""

_PRECISION = ("precision", "precision_macro", "precision_micro", "precision_weighted")
_RECALL = ("recall", "recall_macro", "recall_micro", "recall_weighted")
_F1 = ("f1", "f1_macro", "f1_micro", "f1_weighted")
_ENTITY_KEYS = ("precision", "recall", "f1", "precision_macro", "recall_macro", "f1_macro")

METRICS: dict[str, MetricEntry] = {
    "accuracy": MetricEntry(
        reference="ftkit.metrics.classification:Accuracy",
        keys={
            "single_label_classification": ("accuracy",),
            "multi_label_classification": ("accuracy", "hamming_loss"),
            "token-classification": ("accuracy",),
        },
    ),
    "precision": MetricEntry(
        reference="ftkit.metrics.classification:Precision",
        keys={"single_label_classification": _PRECISION, "multi_label_classification": _PRECISION},
    ),
    "recall": MetricEntry(
        reference="ftkit.metrics.classification:Recall",
        keys={"single_label_classification": _RECALL, "multi_label_classification": _RECALL},
    ),
    "f1": MetricEntry(
        reference="ftkit.metrics.classification:F1",
        keys={"single_label_classification": _F1, "multi_label_classification": _F1},
    ),
    "matthews_correlation": MetricEntry(
        reference="ftkit.metrics.classification:MatthewsCorrelation",
        keys={"single_label_classification": ("matthews_correlation",)},
    ),
    "roc_auc": MetricEntry(
        reference="ftkit.metrics.classification:RocAuc",
        keys={
            "single_label_classification": ("roc_auc",),
            "multi_label_classification": ("roc_auc",),
        },
        needs_scores=True,
    ),
    "pearson": MetricEntry(
        reference="ftkit.metrics.regression:Pearson",
        keys={"regression": ("pearson",)},
    ),
    "spearman": MetricEntry(
        reference="ftkit.metrics.regression:Spearman",
        keys={"regression": ("spearman",)},
    ),
    "mse": MetricEntry(
        reference="ftkit.metrics.regression:MeanSquaredError",
        keys={"regression": ("mse", "rmse", "mae")},
    ),
    "seqeval": MetricEntry(
        reference="ftkit.metrics.entities:Seqeval",
        keys={"token-classification": _ENTITY_KEYS},
    ),
    "conlleval": MetricEntry(
        reference="ftkit.metrics.entities:Conlleval",
        keys={"token-classification": tuple(f"conlleval_{key}" for key in _ENTITY_KEYS)},
    ),
    "bleu": MetricEntry(reference="ftkit.metrics.texts:Bleu", keys={"translation": ("bleu",)}),
    "chrf++": MetricEntry(reference="ftkit.metrics.texts:ChrfPlusPlus", keys={"translation": ("chrf++",)}),
    "ter": MetricEntry(reference="ftkit.metrics.texts:Ter", keys={"translation": ("ter",)}),
}
"""Metric name -> what computes it, what it suits and which keys it yields."""

DEFAULT_METRICS: dict[ScoreType, tuple[str, ...]] = {
    "single_label_classification": ("accuracy", "precision", "recall", "f1"),
    "multi_label_classification": ("accuracy", "precision", "recall", "f1"),
    "regression": ("pearson", "spearman", "mse"),
    "token-classification": ("seqeval", "conlleval", "accuracy"),
    "translation": ("bleu", "chrf++", "ter"),
}
"""What is computed when neither the config nor the task names metrics: all that needs no scores."""

PRIMARY_METRIC: dict[ScoreType, str] = {
    # What papers and leaderboards report for single labels, and the one number without a choice of
    # averaging. Skewed classes want f1_macro or matthews_correlation instead.
    "single_label_classification": "accuracy",
    # Pools every decision, so rare labels with a handful of positives do not make the choice of the best
    # checkpoint a lottery (f1_macro), and a row is not all right or all wrong (accuracy).
    "multi_label_classification": "f1_micro",
    # Defined even while a model still predicts a constant, where a correlation is None, and it cannot
    # prefer a checkpoint that has the right order on the wrong scale.
    "regression": "mse",
    # What papers on entities report: micro, and of the two conventions the stricter.
    "token-classification": "f1",
    # What papers on translation report; chrf++ where words are long or have no spaces between them.
    "translation": "bleu",
}
"""The key that picks the best checkpoint; the default metrics of the problem type always compute it."""

_LOWER_IS_BETTER = frozenset({"loss", "mse", "rmse", "mae", "ter"})
_EXTERNAL_HINT = "'hub:owner/name' or the path of an evaluate module is accepted too."


def is_external(name: str) -> bool:
    """Whether a metric name means a Hub metric (`hub:...`) or the path of an evaluate module."""
    return name.startswith(HUB_PREFIX) or name.endswith(".py") or "/" in name or "\\" in name


def check_metric_names(names: Iterable[str], problem_type: ScoreType) -> None:
    """Checks that every metric exists and suits the problem, before anything is loaded.

    Args:
        names: metric names as in a config. External ones are accepted unchecked: only a `Scorer` loads them.
        problem_type: what the classifier predicts.

    Raises:
        ConfigError: for a name that is unknown, unsuited or repeated.
    """
    if isinstance(names, str):
        raise ConfigError(f"metrics: got the text {names!r}; expected a list of names, such as [{names}].")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"metrics: {name!r} is named twice; name it once.")
        seen.add(name)
        if not is_external(name):
            _check_built_in(name, problem_type)


def _check_built_in(name: str, problem_type: ScoreType) -> None:
    suited = [other for other, entry in METRICS.items() if problem_type in entry.keys]
    entry = METRICS.get(name)
    if entry is None:
        raise ConfigError(
            f"metrics: there is no metric {name!r}.{_owner_hint(name) or did_you_mean(name, suited)} "
            f"Available for {problem_type}: {name_list(suited)}. {_EXTERNAL_HINT}"
        )
    if problem_type not in entry.keys:
        raise ConfigError(
            f"metrics: {name!r} is for {' and '.join(entry.problem_types)}, but this task is {problem_type}. "
            f"Available for {problem_type}: {name_list(suited)}. {_EXTERNAL_HINT}"
        )


def _owner_hint(key: str) -> str:
    """Returns a sentence naming the metric that yields `key`, if one does: `f1_macro` comes from `f1`."""
    for name, entry in METRICS.items():
        if any(key in keys for keys in entry.keys.values()):
            return f" {key!r} is one of the values of the metric {name!r}: name {name!r} in metrics."
    return ""


def available_keys(names: Iterable[str], problem_type: ScoreType) -> tuple[str, ...]:
    """Returns the keys that `Scorer.compute` will return for these metrics, without computing anything.

    Only numbers that can be compared are listed: not `per_label`, and not what external metrics yield, which
    is known once they are loaded (`Scorer.keys`).

    Args:
        names: metric names that `check_metric_names` accepts.
        problem_type: what the classifier predicts.
    """
    entries = [METRICS[name] for name in names if not is_external(name)]
    return tuple(key for entry in entries for key in entry.keys[problem_type])


def check_metric_key(key: str, names: Iterable[str], problem_type: ScoreType) -> None:
    """Checks `primary_metric` or `metric_for_best_model` against the metrics that will be computed.

    `loss` is always there, and the trainer's prefix `eval_` may be written or not. With an external metric
    among the names an unknown key passes: its keys are known once it is loaded (`Scorer.keys`).

    Args:
        key: such as `f1_macro` or `eval_loss`.
        names: metric names that `check_metric_names` accepts.
        problem_type: what the classifier predicts.

    Raises:
        ConfigError: if no metric yields the key.
    """
    names = tuple(names)
    keys = ("loss", *available_keys(names, problem_type))
    if key.removeprefix("eval_") in keys or any(is_external(name) for name in names):
        return
    hint = _owner_hint(key.removeprefix("eval_")) or did_you_mean(key.removeprefix("eval_"), keys)
    raise ConfigError(f"metric key {key!r} is not computed.{hint} Computed: {name_list(keys, limit=20)}.")


def greater_is_better(metric_key: str) -> bool:
    """Returns whether a larger value is better.

    False for `mse`, `rmse`, `mae`, `loss` and anything that ends so, as `eval_loss` and `hamming_loss` do. An
    external metric's key is taken as a score, unless it is named like one of these.
    """
    return metric_key.rsplit("_", 1)[-1] not in _LOWER_IS_BETTER


def metric_class(name: str) -> type[ArrayMetric]:
    """Imports and returns the class of a built-in metric.

    Raises:
        KeyError: if `METRICS` has no such name.
    """
    module, _, attribute = METRICS[name].reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def __getattr__(name: str) -> Any:
    # Scorer needs NumPy; the checks above are for commands that must answer at once.
    if name == "Scorer":
        from ftkit.metrics.scorer import Scorer

        return Scorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
