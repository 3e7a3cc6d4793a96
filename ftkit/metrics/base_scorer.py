"""What all scorers share: names, keys, built-in and external metrics. A scorer adds the shape of its rows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ftkit.metrics.checks import available_keys, check_metric_names, is_external
from ftkit.metrics.spec import MetricEntry, MetricGroup
from ftkit.metrics.table import find_metric
from ftkit.own_code import find_own
from ftkit.types import LabelSpace

if TYPE_CHECKING:
    from ftkit.metrics.array_metric import ArrayMetric
    from ftkit.metrics.external import ExternalMetric

Inputs = dict[str, Any]
"""Input name -> rows, and what else a metric may read, such as `num_labels`."""


class BaseScorer:
    """Computes the metrics of a group; see `ftkit.metrics.scorer.Scorer` for what it promises.

    A subclass says how predictions become inputs (`_inputs`), and shows rows that external metrics are tried on
    (`_sample`). It may add details of its own (`_details`, under `_detail_keys`).
    """

    reads_predictions = True

    def __init__(self, names: Sequence[str], group: MetricGroup) -> None:
        """Checks the names and loads external metrics.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        check_metric_names(names, group)
        self.names, self.group = tuple(names), group
        self.notes: dict[str, str] = {}
        self._built_in = {name: entry for name in names if (entry := find_metric(name, group.name)) is not None}
        self._metrics: dict[str, ArrayMetric] = {}  # filled at the first compute
        self._external = [self._load_external(name) for name in self.names if is_external(name)]
        self._score_readers = [name for name, entry in self._built_in.items() if entry.needs_scores]
        self._score_readers += [metric.name for metric in self._external if metric.needs_scores]
        self.needs_scores = bool(self._score_readers)
        self.keys = self._all_keys()

    def compute(
        self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None = None
    ) -> dict[str, Any]:
        """Returns the value of every metric: built-in ones, details, external ones.

        A value is a float, or None where it is not defined, with the reason in `notes`.
        """
        inputs = self._inputs(predictions, references, scores)
        result = self._computed(inputs)
        if self._external:
            offered = self._offered(inputs)
            for metric in self._external:
                merge(result, metric.name, self._compute_external(metric, offered))
        return result

    def compute_totals(self, totals: Mapping[str, float]) -> dict[str, Any]:
        """Returns the value of every metric of a model that is judged by what adds up over rows.

        Args:
            totals: name -> sum over all rows, such as `loss`, `items` and counts of hits.
        """
        return self._computed(dict(totals))

    def _computed(self, inputs: Inputs) -> dict[str, Any]:
        self.notes = {}
        result: dict[str, Any] = {}
        for name, entry in self._entries(inputs).items():
            result |= self._compute_built_in(name, entry, inputs)
        return result | self._details(inputs)

    @property
    def facts(self) -> dict[str, Any]:
        """What values depend on and results have to name: nothing."""
        return {}

    # --- what a scorer says of its rows ---

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        """Returns what the built-in metrics read.

        Raises:
            DataError: a shape or a label does not fit.
        """
        raise NotImplementedError

    def _offered(self, inputs: Inputs) -> Inputs:
        """Returns what external metrics read, as `MetricGroup.gives` describes it."""
        return inputs

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        """Returns made-up predictions, references and scores of a model that is always right."""
        raise NotImplementedError

    @property
    def _subject(self) -> str:
        """Returns what is scored, for messages."""
        return self.group.name

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns what belongs to the values of the last result and is no number of its own."""
        return {}

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        """Returns the keys of `_details`."""
        return ()

    # --- metrics ---

    def _entries(self, inputs: Inputs) -> Mapping[str, MetricEntry]:
        """Returns the built-in metrics that are computed from these inputs: all."""
        return self._built_in

    def _compute_built_in(self, name: str, entry: MetricEntry, inputs: Inputs) -> dict[str, Any]:
        metric = self._metrics.get(name)
        if metric is None:
            metric = self._metrics[name] = find_own(entry.reference)()
        # `_compute` and not `compute`: evaluate's way in copies every row through Arrow into Python objects,
        # 1.6 s more for 1M rows, and sets the global random seeds while it works.
        values = metric._compute(**{key: inputs[key] for key in entry.inputs})
        self.notes |= metric.notes
        return {**values, **metric.details}

    def _load_external(self, name: str) -> ExternalMetric:
        # Here and not above: it imports evaluate, and most scorers need it only at their first compute.
        from ftkit.metrics.external import ExternalMetric

        sample = self._offered(self._inputs(*self._sample()))
        return ExternalMetric(name, self.group, sample, subject=self._subject)

    def _compute_external(self, metric: ExternalMetric, inputs: Inputs) -> dict[str, Any]:
        try:
            return metric.compute(inputs)
        except Exception as error:  # it worked when tried: hours of training are not lost for one number
            reason = f"the metric {metric.name!r} failed: {type(error).__name__}: {error}"
            warnings.warn(f"{reason}. Its values are None.", stacklevel=3)
            self.notes.update(dict.fromkeys(metric.keys, reason))
            return dict.fromkeys(metric.keys)

    def _all_keys(self) -> tuple[str, ...]:
        details = {*self._detail_keys, *(key for entry in self._built_in.values() for key in entry.details)}
        keys: dict[str, Any] = dict.fromkeys((*available_keys(self.names, self.group), *details))
        for metric in self._external:
            merge(keys, metric.name, dict.fromkeys(metric.keys))
        return tuple(key for key in keys if key not in details)


def merge(result: dict[str, Any], metric_name: str, values: Mapping[str, Any]) -> None:
    """Adds an external metric's values under their own keys, or prefixed where a key is taken.

    `accuracy` of `hub:owner/strict` becomes `strict_accuracy`, then `hub_owner_strict_accuracy`.
    """
    slug = re.sub(r"\W+", "_", metric_name.removesuffix(".py")).strip("_")
    short = re.split(r"[\\/:]", metric_name.removesuffix(".py").rstrip("\\/"))[-1]
    for key, value in values.items():
        candidates = (key, f"{short}_{key}", f"{slug}_{key}")
        result[next((name for name in candidates if name not in result), candidates[-1])] = value


class LabelledScorer(BaseScorer):
    """Computes the metrics of predictions that name labels.

    Attributes:
        labels: in the order of the model's outputs.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, labels: LabelSpace) -> None:
        """Checks the names and loads external metrics.

        Args:
            labels: in the order of the model's outputs.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded.
        """
        self.labels = labels
        super().__init__(names, group)

    @property
    def _subject(self) -> str:
        return f"{self.group.name} with {len(self.labels)} labels"
