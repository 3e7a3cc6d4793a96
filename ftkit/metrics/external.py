"""Metrics from elsewhere: modules on the Hub and local evaluate scripts, loaded and tried before training."""

from __future__ import annotations

import math
import os
import re
from typing import Any

import evaluate
import numpy as np

from ftkit.errors import ConfigError, name_list
from ftkit.metrics import HUB_PREFIX, METRICS
from ftkit.metrics.label_arrays import Array
from ftkit.types import LabelSpace

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_SCORE_INPUTS = ("prediction_scores", "scores")
_INPUTS = ("predictions", "references", *_SCORE_INPUTS)


class ExternalMetric:
    """An evaluate module that ftkit did not write. Loading it runs its code.

    It gets what its features name among `predictions`, `references`, and probabilities as `prediction_scores`
    or `scores`. For several labels a row it is loaded with `config_name="multilabel"`, which evaluate's own
    metrics require then. It is tried once on made-up rows, so a module that cannot take this task, or wants
    an argument, fails before training instead of after it.

    Attributes:
        name: as in the config: `hub:accuracy`, `hub:owner/name` or a path.
        needs_scores: whether it reads probabilities.
        keys: what it yielded when tried.
    """

    def __init__(self, name: str, labels: LabelSpace) -> None:
        """Loads the module and tries it.

        Raises:
            ConfigError: if it cannot be found, loaded or used for these labels.
        """
        self.name = name
        self._labels = labels
        self._module = _load(name, labels)
        self._inputs = _input_names(self._module)
        unknown = [key for key in self._inputs if key not in _INPUTS]
        if unknown:
            raise ConfigError(
                f"metrics: {name!r} wants the inputs {name_list(self._inputs)}; ftkit can give {name_list(_INPUTS)}."
            )
        self.needs_scores = any(key in _SCORE_INPUTS for key in self._inputs)
        self.keys = self._try()

    def compute(self, predictions: Array, references: Array, scores: Array | None) -> dict[str, Any]:
        """Returns what the module yields, as plain JSON values: NaN becomes None.

        Args:
            predictions: label indices or numbers (N,), or indicators (N, L).
            references: the same shape.
            scores: probabilities (N, L); a module gets those of label index 1, (N,), if there are two labels.
        """
        if scores is not None and self._is_binary():
            scores = scores[:, 1]
        available: dict[str, Any] = {"predictions": predictions, "references": references}
        available.update(dict.fromkeys(_SCORE_INPUTS, scores))
        # Indicators arrive as booleans, which evaluate's integer features do not take.
        inputs = {key: _unless_boolean(available[key]) for key in self._inputs}
        return {str(key): plain(value) for key, value in self._module.compute(**inputs).items()}

    def _is_binary(self) -> bool:
        return self._labels.problem_type == "single_label_classification" and len(self._labels) == 2

    def _try(self) -> tuple[str, ...]:
        try:
            return tuple(self.compute(*_made_up_rows(self._labels)))
        except Exception as error:  # whatever a stranger's code raises
            raise ConfigError(
                f"metrics: {self.name!r} fails on {self._labels.problem_type} with {len(self._labels)} "
                f"labels: {_describe(error)}. Use a built-in metric, or the path of an evaluate module that "
                "sets the arguments it needs."
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


def _load(name: str, labels: LabelSpace) -> Any:
    is_on_hub = name.startswith(HUB_PREFIX)
    source = _hub_name(name) if is_on_hub else _local_path(name)
    config_name = "multilabel" if labels.problem_type == "multi_label_classification" else None
    try:
        return evaluate.load(source, config_name, keep_in_memory=True)
    except Exception as error:  # network, disk, or the module's own code
        if not is_on_hub:
            raise ConfigError(f"metrics: the module {source!r} does not load: {_describe(error)}.") from error
        raise ConfigError(
            f"metrics: {name!r} could not be loaded: it is not on the Hub, or the Hub cannot be reached "
            f"({_describe(error)}). Without network, copy the module's script to this machine and name its "
            f"path in metrics, or use a built-in metric: {name_list(METRICS)}."
        ) from error


def _hub_name(name: str) -> str:
    source = name.removeprefix(HUB_PREFIX)
    if not _HUB_NAME.fullmatch(source):
        raise ConfigError(f"metrics: got {name!r}; expected 'hub:name' or 'hub:owner/name'.")
    return source


def _local_path(name: str) -> str:
    # Checked here because evaluate.load takes a relative path that does not exist for a name on the Hub.
    path = os.path.abspath(os.path.expanduser(name))
    if not os.path.exists(path):
        raise ConfigError(
            f"metrics: there is no file or folder {name!r}. A metric on the Hub is written 'hub:owner/name'."
        )
    return path


def _input_names(module: Any) -> tuple[str, ...]:
    """Returns the names of a module's inputs; alternative features share theirs."""
    features = module.features
    return tuple(features[0] if isinstance(features, list) else features)


def _made_up_rows(labels: LabelSpace) -> tuple[Array, Array, Array | None]:
    """Returns predictions, references and scores of a classifier that is always right."""
    if labels.problem_type == "regression":
        numbers = np.array([0.0, 0.5, 1.0])
        return numbers, numbers, None
    scores = np.eye(len(labels))
    if labels.problem_type == "multi_label_classification":
        indicators = scores.astype(np.int64)
        return indicators, indicators, scores
    indices = np.arange(len(labels))
    return indices, indices, scores


def _unless_boolean(values: Any) -> Any:
    return values.astype(np.int64) if getattr(values, "dtype", None) == np.bool_ else values


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(". :")
