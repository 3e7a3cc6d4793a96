"""The scorer of boxes."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.errors import ConfigError
from ftkit.metrics.base_scorer import Inputs, LabelledScorer
from ftkit.metrics.detection import per_label
from ftkit.metrics.spec import MetricGroup
from ftkit.types import LabelSpace


class DetectionScorer(LabelledScorer):
    """Scores predictions (N,) of arrays (K, 6) against boxes (N,) of arrays (K, 7); see `coco_of`.

    Attributes:
        labels: in the order of the model's outputs.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, labels: LabelSpace) -> None:
        """Checks the names and loads external metrics.

        Args:
            labels: in the order of the model's outputs.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded; or pycocotools is not installed.
        """
        if importlib.util.find_spec("pycocotools") is None:
            raise ConfigError(
                "metrics: average precision is computed by pycocotools, which is not installed.\n"
                'Fix: pip install "ftkit[detection]"'
            )
        super().__init__(names, group, labels=labels)

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        found, expected = (list(rows) for rows in (predictions, references))  # type: ignore[arg-type]
        return {"predictions": found, "references": expected, "num_labels": len(self.labels)}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        found = [np.array([[0, 0.9, 10.0, 10.0, 30.0, 30.0]])]
        return found, [np.array([[0, 0.0, 10.0, 10.0, 30.0, 30.0, 400.0]])], None

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("per_label",) if "average_precision" in self.names else ()

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns `per_label`: label -> `ap`, `ap50`, `ar100` and `support`."""
        if "average_precision" not in self.names:
            return {}
        evaluated = self._metrics["average_precision"].evaluated
        return {"per_label": per_label(evaluated, self.labels.names, inputs["references"])}
