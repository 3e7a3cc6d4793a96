"""The base of ftkit's metrics: an `evaluate.Metric` that works on arrays, in memory, and never says NaN."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import datasets
import evaluate

Scores = dict[str, float | None]


class ArrayMetric(evaluate.Metric):
    """An `evaluate.Metric` that leaves no file behind and returns plain floats, or None where undefined.

    evaluate keeps rows in one cache file per metric name by default, which concurrent runs then wait for.
    These metrics hold them in memory, unless evaluate's own distributed mode (`num_process` > 1) needs files.

    Attributes:
        description_text, citation_text, inputs_text: what evaluate shows of the metric.
        input_features: the alternatives that evaluate's own `compute` takes.
        notes: result key -> why the last value is None, or covers fewer labels than there are.
        details: key -> a text or counts that belong to the last values, such as `bleu_signature`.
    """

    description_text: str
    citation_text: str
    inputs_text: str
    input_features: tuple[datasets.Features, ...]

    def __init__(
        self,
        config_name: str | None = None,
        *,
        keep_in_memory: bool | None = None,
        num_process: int = 1,
        **kwargs: Any,
    ) -> None:
        if keep_in_memory is None:
            keep_in_memory = num_process == 1
        super().__init__(config_name, keep_in_memory=keep_in_memory, num_process=num_process, **kwargs)
        self.notes: dict[str, str] = {}
        self.details: dict[str, Any] = {}

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.description_text,
            citation=self.citation_text,
            inputs_description=self.inputs_text,
            features=list(self.input_features),
        )

    def _build_data_dir(self) -> str:
        # evaluate makes this folder even when nothing will be written: a read-only home would fail.
        if self.keep_in_memory:
            return os.path.join(self._data_dir_root, self.name, self.config_name)
        return super()._build_data_dir()

    def _finite(self, values: Mapping[str, float]) -> Scores:
        """Returns values as plain floats; one that is not finite becomes None, with a note."""
        return {key: self._finite_value(key, float(value)) for key, value in values.items()}

    def _finite_value(self, key: str, value: float) -> float | None:
        if math.isfinite(value):
            return value
        self.notes[key] = f"the value is {value}, not a finite number"
        return None

    def _undefined(self, keys: tuple[str, ...], reason: str) -> Scores:
        """Returns None for every key and notes why."""
        self.notes.update(dict.fromkeys(keys, reason))
        return dict.fromkeys(keys)
