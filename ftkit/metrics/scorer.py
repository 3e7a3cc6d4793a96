"""`Scorer`: the metrics of one task, computed together into one flat result."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.errors import DataError, name_list
from ftkit.metrics import METRICS, available_keys, check_metric_names, is_external, metric_class
from ftkit.metrics.label_arrays import Array, label_arrays
from ftkit.types import LabelSpace

if TYPE_CHECKING:
    from ftkit.metrics.array_metric import ArrayMetric
    from ftkit.metrics.external import ExternalMetric


class Scorer:
    """Computes several metrics of one label space.

    Built-in metrics are imported at the first `compute`; external ones are loaded at once, so that one that
    is missing or unfit stops a run before it trains.

    Attributes:
        names: the metrics, as given.
        labels: the label space; every label counts in averages, also those that the data do not hold.
        needs_scores: whether `compute` must be given probabilities.
        keys: the keys that `compute` returns, without `per_label`.
        notes: key -> why its value in the last result is None, or covers fewer labels than there are.
    """

    def __init__(self, names: Sequence[str], labels: LabelSpace) -> None:
        """Checks the names and loads external metrics.

        Args:
            names: names of `METRICS`, `hub:owner/name`, or paths of evaluate modules.
            labels: the labels in the order of the model's outputs.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        check_metric_names(names, labels.problem_type)
        self.names = tuple(names)
        self.labels = labels
        self.notes: dict[str, str] = {}
        self._built_in: dict[str, ArrayMetric] = {}
        self._external = [_load_external(name, labels) for name in self.names if is_external(name)]
        self._score_readers = [name for name in self.names if not is_external(name) and METRICS[name].needs_scores]
        self._score_readers += [metric.name for metric in self._external if metric.needs_scores]
        self.needs_scores = bool(self._score_readers)
        self.keys = self._all_keys()

    def compute(
        self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None = None
    ) -> dict[str, Any]:
        """Returns the value of every metric, and of every label.

        A value is a float, or None where it is not defined, with the reason in `notes`. `precision`, `recall`
        and `f1` without an averaging are those of label index 1 for two labels and one label a row, as in
        evaluate's own metrics, else the macro average. Classification also has `per_label`: name ->
        `{"precision", "recall", "f1", "support"}`, the support being a number of rows.

        Example: two labels, references `[1, 0, 1, 0]`, predictions `[1, 0, 0, 0]`, the metric accuracy:
        `{"accuracy": 0.75, "per_label": {"no": {"precision": 0.67, "recall": 1.0, "f1": 0.8, "support": 2},
        "yes": {"precision": 1.0, "recall": 0.5, "f1": 0.67, "support": 2}}}`.

        Args:
            predictions: label indices (N,), indicators {0,1} (N, L) for several labels a row, or for
                regression numbers (N,).
            references: the same shape.
            scores: probabilities (N, L); required if `needs_scores`.

        Raises:
            DataError: if a shape or a label index does not fit the label space.
        """
        predictions, references = self._checked(predictions, references)
        score_array = self._checked_scores(scores)
        self.notes = {}
        result: dict[str, Any] = {}
        for name in self.names:
            if not is_external(name):
                result.update(self._compute_built_in(name, predictions, references, score_array))
        if self.labels.problem_type != "regression":
            result["per_label"] = self._per_label(predictions, references)
        for metric in self._external:
            _merge(result, metric.name, self._compute_external(metric, predictions, references, score_array))
        return result

    def _checked(self, predictions: ArrayLike, references: ArrayLike) -> tuple[Array, Array]:
        if self.labels.problem_type == "regression":
            return np.asarray(predictions), np.asarray(references)
        num_axes = 2 if self.labels.problem_type == "multi_label_classification" else 1
        if np.ndim(references) != num_axes:
            raise DataError(
                f"references have the shape {np.shape(references)}; "
                f"expected {('(N,)', '(N, L)')[num_axes - 1]} for {self.labels.problem_type}."
            )
        return label_arrays(predictions, references, len(self.labels))[:2]

    def _checked_scores(self, scores: ArrayLike | None) -> Array | None:
        if scores is None and self.needs_scores:
            raise DataError(f"scores are missing: {name_list(self._score_readers)} cannot be computed without.")
        if scores is None:
            return None
        array = np.asarray(scores)
        if self.labels.problem_type != "regression" and array.shape[1:] != (len(self.labels),):
            raise DataError(f"scores have the shape {array.shape}; expected (N, {len(self.labels)}).")
        return array

    def _compute_built_in(
        self, name: str, predictions: Array, references: Array, scores: Array | None
    ) -> Mapping[str, float | None]:
        metric = self._built_in.get(name)
        if metric is None:
            metric = self._built_in[name] = metric_class(name)()
        # `_compute` and not `compute`: evaluate's way in copies every row through Arrow into Python objects,
        # 1.6 s more for 1M rows, and sets the global random seeds while it works.
        if METRICS[name].needs_scores:
            values = metric._compute(references=references, prediction_scores=scores)
        elif self.labels.problem_type == "regression":
            values = metric._compute(predictions=predictions, references=references)
        else:
            values = metric._compute(predictions=predictions, references=references, num_labels=len(self.labels))
        self.notes.update(metric.notes)
        return values

    def _compute_external(
        self, metric: ExternalMetric, predictions: Array, references: Array, scores: Array | None
    ) -> dict[str, Any]:
        try:
            return metric.compute(predictions, references, scores)
        except Exception as error:  # it worked when tried: hours of training are not lost for one number
            reason = f"the metric {metric.name!r} failed: {type(error).__name__}: {error}"
            warnings.warn(f"{reason}. Its values are None.", stacklevel=3)
            self.notes.update(dict.fromkeys(metric.keys, reason))
            return dict.fromkeys(metric.keys)

    def _per_label(self, predictions: Array, references: Array) -> dict[str, dict[str, float]]:
        # Here and not above: it imports scikit-learn, which only computing needs.
        from ftkit.metrics.classification import label_scores

        num_labels = len(self.labels)
        if references.size:
            scores = label_scores(predictions, references, num_labels)
            scores["support"] = scores["support"].astype(int)  # scikit-learn's are floats if no row is right
            columns = {key: values.tolist() for key, values in scores.items()}
        else:
            columns = {key: [0.0] * num_labels for key in ("precision", "recall", "f1")}
            columns["support"] = [0] * num_labels
        rows = zip(*columns.values(), strict=True)
        return {name: dict(zip(columns, row, strict=True)) for name, row in zip(self.labels.names, rows, strict=True)}

    def _all_keys(self) -> tuple[str, ...]:
        keys: dict[str, Any] = dict.fromkeys(available_keys(self.names, self.labels.problem_type))
        if self.labels.problem_type != "regression":
            keys["per_label"] = None
        for metric in self._external:
            _merge(keys, metric.name, dict.fromkeys(metric.keys))
        return tuple(key for key in keys if key != "per_label")


def _load_external(name: str, labels: LabelSpace) -> ExternalMetric:
    # Here and not above: it imports evaluate, and most scorers need it only at their first compute.
    from ftkit.metrics.external import ExternalMetric

    return ExternalMetric(name, labels)


def _merge(result: dict[str, Any], metric_name: str, values: Mapping[str, Any]) -> None:
    """Adds an external metric's values under their own keys, or prefixed where a key is taken.

    `accuracy` of `hub:owner/strict` becomes `strict_accuracy`, then `hub_owner_strict_accuracy`.
    """
    slug = re.sub(r"\W+", "_", metric_name.removesuffix(".py")).strip("_")
    short = re.split(r"[\\/:]", metric_name.removesuffix(".py").rstrip("\\/"))[-1]
    for key, value in values.items():
        candidates = (key, f"{short}_{key}", f"{slug}_{key}")
        result[next((name for name in candidates if name not in result), candidates[-1])] = value
