"""Metrics from elsewhere: modules on the Hub, local evaluate scripts and Python code, tried before training."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import datasets
import evaluate
import numpy as np

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.metrics.checks import HUB_PREFIX, metric_names
from ftkit.metrics.spec import SCORE_INPUTS, MetricGroup
from ftkit.named_code import load_code

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_NAMED_CODE = re.compile(r"(.+\.py|[^\W\d][\w.]*):([^\W\d]\w*)")


class _Loaded(NamedTuple):
    """Code that computes a metric.

    Attributes:
        compute: takes the inputs by name, and returns values by key.
        inputs: names of what it reads.
        lists: those of the inputs of which it wants a list for every row, where it could be one text.
        may_be_lists: those of the inputs of which it takes a list for every row.
    """

    compute: Callable[..., Any]
    inputs: tuple[str, ...]
    lists: frozenset[str] = frozenset()
    may_be_lists: frozenset[str] = frozenset()


class ExternalMetric:
    """A metric that ftkit did not write. Loading it runs its code.

    An evaluate module gets what its features name among the inputs that the metric group gives, a function what its
    parameters name. References that are texts become lists of one text where all of a module's features want lists:
    `["Guten Tag"]` is given as `[["Guten Tag"]]`. The metric is tried once on made-up rows, so one that cannot take
    this task, or wants an argument, fails before training instead of after it.

    Attributes:
        name: as in the config: `hub:accuracy`, `hub:owner/name`, a path, `file.py:NAME` or `package.module:NAME`.
        needs_scores: whether it reads probabilities.
        keys: what it yielded when tried.
    """

    def __init__(self, name: str, group: MetricGroup, sample: Mapping[str, Any], *, subject: str) -> None:
        """Loads the metric and tries it.

        Args:
            name: as in the config.
            group: says what there is to read.
            sample: input name -> made-up rows, as `compute` takes them.
            subject: what is scored, for messages, such as `regression`.

        Raises:
            ConfigError: if it cannot be found, loaded or used for this task.
        """
        self.name = name
        self._loaded = _load(name, group)
        self._check_inputs(group)
        self.needs_scores = any(key in SCORE_INPUTS for key in self._loaded.inputs)
        self.keys = self._try(group, sample, subject)

    @property
    def takes_lists(self) -> bool:
        """Whether a row may have several references."""
        return "references" not in self._loaded.inputs or "references" in self._loaded.may_be_lists

    def compute(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the metric yields, as plain JSON values: NaN becomes None.

        Args:
            inputs: input name -> rows, as the metric group describes them; more than the metric reads may be there.

        Raises:
            TypeError: the metric returns no dict.
        """
        read = {key: self._formed(key, inputs[key]) for key in self._loaded.inputs}
        values = self._loaded.compute(**read)
        if not isinstance(values, Mapping):
            raise TypeError(f"it returned {type(values).__name__}; expected a dict of key and number")
        return {str(key): plain(value) for key, value in values.items()}

    def _formed(self, key: str, rows: Any) -> Any:
        """Returns a copy of rows in the form that the metric wants: a function may sort in place what it gets."""
        if key != "references" or not all(isinstance(row, (str, tuple)) for row in rows):
            return rows.copy()
        are_lists = key in self._loaded.lists or any(isinstance(row, tuple) for row in rows)
        return [[row] if isinstance(row, str) else list(row) for row in rows] if are_lists else rows.copy()

    def _check_inputs(self, group: MetricGroup) -> None:
        unknown = [key for key in self._loaded.inputs if key not in group.gives]
        if unknown:
            raise ConfigError(
                f"metrics: {self.name!r} wants the inputs {name_list(self._loaded.inputs)}; {_offer(group)}. "
                f"Use a metric that reads no more than these, or a built-in one: {name_list(metric_names(group))}."
            )

    def _try(self, group: MetricGroup, sample: Mapping[str, Any], subject: str) -> tuple[str, ...]:
        try:
            return tuple(self.compute(sample))
        except Exception as error:  # whatever a stranger's code raises
            raise ConfigError(
                f"metrics: {self.name!r} fails on {subject}: {_describe(error)}. {_sentence(_offer(group))}. "
                f"Use a built-in metric ({name_list(metric_names(group))}), or the path of an evaluate script that "
                "takes these and sets the arguments it needs."
            ) from error


def plain(value: Any) -> Any:
    """Returns a JSON value: NumPy scalars and arrays as numbers and lists, what is not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray) and np.ndim(value):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def _offer(group: MetricGroup) -> str:
    """Returns `for regression ftkit gives predictions (numbers (N,)), references (numbers (N,))`."""
    given = (f"{name} ({what})" for name, what in group.gives.items())
    return f"for {group.name} ftkit gives {', '.join(given)}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(". :")


# --- loading ------------------------------------------------------------------------------------------------


def _load(name: str, group: MetricGroup) -> _Loaded:
    if name.startswith(HUB_PREFIX):
        return _load_from_hub(name, group)
    named = _NAMED_CODE.fullmatch(name)
    if named is not None:
        return _load_named(name, *named.groups(), group=group)
    return _load_script(name, group)


def _load_from_hub(name: str, group: MetricGroup) -> _Loaded:
    source = name.removeprefix(HUB_PREFIX)
    if not _HUB_NAME.fullmatch(source):
        raise ConfigError(f"metrics: got {name!r}; expected 'hub:name' or 'hub:owner/name'.")
    try:
        return _of_module(evaluate.load(source, group.evaluate_config, keep_in_memory=True))
    except Exception as error:  # network, disk, or the module's own code
        raise ConfigError(
            f"metrics: {name!r} could not be loaded: it is not on the Hub, or the Hub cannot be reached "
            f"({_describe(error)}). Without network, copy the module's script to this machine and name its "
            f"path in metrics, or use a built-in metric: {name_list(metric_names(group))}."
        ) from error


def _load_script(name: str, group: MetricGroup) -> _Loaded:
    # Checked here because evaluate.load takes a relative path that does not exist for a name on the Hub.
    path = os.path.abspath(os.path.expanduser(name))
    if not os.path.exists(path):
        raise ConfigError(
            f"metrics: there is no file or folder {name!r}. A metric on the Hub is written 'hub:owner/name'."
        )
    try:
        return _of_module(evaluate.load(path, group.evaluate_config, keep_in_memory=True))
    except Exception as error:  # disk, or the module's own code
        raise ConfigError(f"metrics: the module {path!r} does not load: {_describe(error)}.") from error


def _load_named(name: str, place: str, attribute: str, *, group: MetricGroup) -> _Loaded:
    """Loads `file.py:NAME` or `package.module:NAME`: a class of evaluate's metrics, or a function."""
    module = load_code(os.path.expanduser(place), key="metrics")
    found = getattr(module, attribute, None)
    if found is None:
        choices = [key for key, value in vars(module).items() if callable(value)]
        raise ConfigError(f"metrics: {place} has no {attribute!r}.{did_you_mean(attribute, choices)}")
    if isinstance(found, type) and issubclass(found, evaluate.Metric):
        return _of_class(name, found, group)
    if isinstance(found, type) or not callable(found):
        raise ConfigError(
            f"metrics: {name!r} is a {type(found).__name__}; expected a class of evaluate.Metric, or a function of "
            f"{' and '.join(group.gives)} that returns a dict."
        )
    return _of_function(found, group)


def _of_class(name: str, metric_class: type[evaluate.Metric], group: MetricGroup) -> _Loaded:
    try:
        module = metric_class(config_name=group.evaluate_config, keep_in_memory=True)
        module.download_and_prepare()
    except Exception as error:  # the class's own code
        raise ConfigError(f"metrics: {name!r} cannot be made: {_describe(error)}.") from error
    return _of_module(module)


def _of_module(module: Any) -> _Loaded:
    """Returns an evaluate module with the names of its inputs, which alternative features share."""
    alternatives = module.features if isinstance(module.features, list) else [module.features]
    names = tuple(alternatives[0])
    lists = {name: [_is_list(features[name]) for features in alternatives] for name in names}
    wanted = frozenset(name for name, are_lists in lists.items() if all(are_lists))
    taken = frozenset(name for name, are_lists in lists.items() if any(are_lists))
    return _Loaded(module.compute, names, wanted, taken)


def _is_list(feature: Any) -> bool:
    return isinstance(feature, list | datasets.List | datasets.LargeList)


def _of_function(function: Callable[..., Any], group: MetricGroup) -> _Loaded:
    """Returns a function with the names of its parameters; one with a default may mean nothing to the group."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = (
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in by_name
        and (parameter.default is inspect.Parameter.empty or parameter.name in group.gives)
    )
    return _Loaded(function, tuple(names))
