"""Names and keys of metrics: what exists, what suits, what a result will hold. Nothing heavy is imported.

Every function takes the metric group of the task; a kind says which it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.metrics.spec import MetricGroup
from ftkit.metrics.table import METRICS, find_metric

HUB_PREFIX = "hub:"
"""Marks a metric's name on the Hub, so that it cannot be taken for a built-in one or a path."""

EXTERNAL_FORMS = "'hub:owner/name', the path of an evaluate script, 'file.py:NAME' or 'package.module:NAME'"
"""How metrics are named that ftkit did not write, for messages."""

_LOWER_IS_BETTER = {"loss"}.union(*(entry.keys for entry in METRICS if entry.lower_is_better))


def is_external(name: str) -> bool:
    """Returns whether a name means a metric that ftkit did not write: computing it runs somebody's code."""
    return name.endswith(".py") or any(mark in name for mark in ":/\\")


def metric_names(group: MetricGroup) -> list[str]:
    """Returns the names of the built-in metrics that suit a group."""
    return [entry.name for entry in METRICS if group.name in entry.groups]


def check_metric_names(names: Iterable[str], group: MetricGroup) -> None:
    """Checks that every metric exists and suits the task, before anything is loaded.

    Args:
        names: metric names as in a config. Of external ones only their form is checked: a scorer loads them.

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
        if is_external(name):
            _check_external(name, group)
        else:
            _check_built_in(name, group)


def _check_external(name: str, group: MetricGroup) -> None:
    if not group.gives:
        raise ConfigError(
            f"metrics: {name!r} cannot be computed: {group.name} predicts nothing that a metric from elsewhere could "
            f"read. {_choices(group)}"
        )


def _check_built_in(name: str, group: MetricGroup) -> None:
    if find_metric(name, group.name) is not None:
        return
    others = [other for entry in METRICS if entry.name == name for other in entry.groups]
    if others:
        raise ConfigError(
            f"metrics: {name!r} is for {' and '.join(others)}, but this task is {group.name}."
            f"{_owner_hint(name, group)} {_choices(group)}"
        )
    hint = _owner_hint(name, group) or did_you_mean(name, metric_names(group))
    raise ConfigError(f"metrics: there is no metric {name!r}.{hint} {_choices(group)}")


def _choices(group: MetricGroup) -> str:
    """Returns sentences that say which metrics a group has."""
    suited = metric_names(group)
    if not suited and not group.gives:
        return f"{group.name} is judged by its loss alone: leave metrics out."
    built_in = f"Available for {group.name}: {name_list(suited) or 'none'}."
    return f"{built_in} {EXTERNAL_FORMS} is accepted too." if group.gives else built_in


def _owner_hint(key: str, group: MetricGroup) -> str:
    """Returns a sentence naming the metric of the group that yields `key`, if one does: `f1_macro` comes from `f1`."""
    for entry in METRICS:
        if group.name in entry.groups and key in entry.keys:
            return f" {key!r} is one of the values of the metric {entry.name!r}: name {entry.name!r} in metrics."
    return ""


def available_keys(names: Iterable[str], group: MetricGroup) -> tuple[str, ...]:
    """Returns the keys that a scorer will return for these metrics, without computing anything.

    Only numbers that can be compared are listed: not `per_label`, and not what external metrics yield, which
    is known once they are loaded (`Scorer.keys`).

    Args:
        names: metric names that `check_metric_names` accepts.
    """
    entries = [find_metric(name, group.name) for name in names if not is_external(name)]
    return tuple(key for entry in entries if entry is not None for key in entry.keys)


def check_metric_key(key: str, names: Iterable[str], group: MetricGroup) -> None:
    """Checks `primary_metric` or `metric_for_best_model` against the metrics that will be computed.

    `loss` is always there, and the trainer's prefix `eval_` may be written or not. With an external metric
    among the names an unknown key passes: `check_computed` knows once the metric is loaded.

    Args:
        key: such as `f1_macro` or `eval_loss`.
        names: metric names that `check_metric_names` accepts.

    Raises:
        ConfigError: if no metric yields the key.
    """
    names = tuple(names)
    if not any(is_external(name) for name in names):
        check_computed(key, available_keys(names, group), group)


def check_computed(key: str, keys: Iterable[str], group: MetricGroup) -> None:
    """Checks a key against those that a scorer returns (`Scorer.keys`).

    Raises:
        ConfigError: if the key is neither `loss` nor among them.
    """
    plain, computed = key.removeprefix("eval_"), ("loss", *keys)
    if plain not in computed:
        hint = _owner_hint(plain, group) or did_you_mean(plain, computed)
        raise ConfigError(f"metric key {key!r} is not computed.{hint} Computed: {name_list(computed, limit=20)}.")


def check_direction(key: str, greater: bool | None, names: Iterable[str], group: MetricGroup) -> None:
    """Refuses a `greater_is_better` that would keep the worst checkpoint, where it is known which value is better.

    Args:
        key: a primary key that `check_metric_key` accepts.
        greater: what a config says; None where it says nothing.

    Raises:
        ConfigError: of `loss`, or of a metric that ftkit has, the other direction is better.
    """
    plain = key.removeprefix("eval_")
    if greater is None or plain not in ("loss", *available_keys(names, group)):
        return
    if greater != greater_is_better(plain):
        right = "larger" if greater_is_better(plain) else "smaller"
        raise ConfigError(
            f"train.greater_is_better: {str(greater).lower()} would keep the worst checkpoint: a {right} {plain} is "
            "better. Leave the key out."
        )


def default_key(names: Iterable[str], group: MetricGroup) -> str:
    """Returns the key that picks the best checkpoint where nobody names one: the group's, or `loss` without it."""
    return group.primary if group.primary in available_keys(names, group) else "loss"


def greater_is_better(metric_key: str) -> bool:
    """Returns whether a larger value is better.

    False for `loss`, for the keys that `METRICS` says so of, such as `mse`, and for anything that ends so, as
    `eval_loss` and `hamming_loss` do. An external metric's key is taken as a score, unless it is named like one of
    these.
    """
    return not any(metric_key == key or metric_key.endswith(f"_{key}") for key in _LOWER_IS_BETTER)
