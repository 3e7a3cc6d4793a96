"""Scorers of labels: one label for each row, or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ftkit.errors import ConfigError, DataError, did_you_mean, name_list
from ftkit.metrics.base_scorer import Inputs, LabelledScorer
from ftkit.metrics.label_arrays import Array, label_arrays
from ftkit.metrics.spec import PAIR, SCORE_INPUTS, MetricGroup
from ftkit.types import LabelSpace

MANY_LABELS, FEW_ROWS = 1_000, 64


class _LabelScorer(LabelledScorer):
    """Computes the metrics of a label space, and of every label.

    Attributes:
        labels: the label space; every label counts in averages, also those that the data do not hold.
        axes: of predictions and references, as messages write them.
    """

    axes: ClassVar[tuple[str, ...]]
    _pos_label = 1  # read by metrics of two labels alone

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        if np.ndim(references) != len(self.axes):
            expected = f"({', '.join(self.axes)}{',' * (len(self.axes) == 1)})"
            raise DataError(
                f"references have the shape {np.shape(references)}; expected {expected} for {self.group.name}."
            )
        predicted, expected_labels, num_labels = label_arrays(predictions, references, len(self.labels))
        return {
            "predictions": predicted,
            "references": expected_labels,
            "num_labels": num_labels,
            "pos_label": self._pos_label,
            **dict.fromkeys(SCORE_INPUTS, self._checked_scores(scores)),
        }

    def _checked_scores(self, scores: ArrayLike | None) -> Array | None:
        if scores is None:
            if self._score_readers:
                raise DataError(f"scores are missing: {name_list(self._score_readers)} cannot be computed without.")
            return None
        array = np.asarray(scores)
        if array.shape[1:] != (len(self.labels),):
            raise DataError(f"scores have the shape {array.shape}; expected (N, {len(self.labels)}).")
        return array

    @property
    def _sample_rows(self) -> int:
        """One row for each label that external metrics are tried on, and few where their scores would fill memory."""
        return len(self.labels) if len(self.labels) <= MANY_LABELS else FEW_ROWS

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("per_label",)

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        """Returns `per_label`: name -> `{"precision", "recall", "f1", "support"}`, the support a number of rows.

        Example: two labels, references `[1, 0, 1, 0]`, predictions `[1, 0, 0, 0]`:
        `{"per_label": {"no": {"precision": 0.67, "recall": 1.0, "f1": 0.8, "support": 2},
        "yes": {"precision": 1.0, "recall": 0.5, "f1": 0.67, "support": 2}}}`.
        """
        # Here and not above: it imports scikit-learn, which only computing needs.
        from ftkit.metrics.classification import label_scores

        scores = label_scores(inputs["predictions"], inputs["references"], len(self.labels))
        columns = {key: values.tolist() for key, values in scores.items()}
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return {"per_label": dict(zip(self.labels.names, rows, strict=True))}


def _checked_index(positive_label: str, labels: LabelSpace) -> int:
    """Returns the index of the positive label.

    Raises:
        ConfigError: there is no such label, or there are not two.
    """
    if positive_label not in labels:
        raise ConfigError(
            f"data.positive_label: no label {positive_label!r}.{did_you_mean(positive_label, labels.names)} "
            f"Labels: {name_list(labels.names)}."
        )
    if len(labels) != 2:
        raise ConfigError(
            f"data.positive_label: one of two labels can be the positive one, and there are {len(labels)}: "
            f"{name_list(labels.names)}. Leave it out; f1_macro and per_label tell of every label."
        )
    return labels.index(positive_label)


class SingleLabelScorer(_LabelScorer):
    """Scores label indices (N,).

    `precision`, `recall` and `f1` without an averaging, and `roc_auc`, are those of the positive label where there are
    two labels, as in scikit-learn, else the macro average.
    """

    axes = ("N",)

    def __init__(
        self,
        names: Sequence[str],
        group: MetricGroup,
        *,
        labels: LabelSpace,
        positive_label: str | None = None,
    ) -> None:
        """Checks the names and loads external metrics.

        Args:
            labels: in the order of the model's outputs.
            positive_label: one of two labels; by default the second.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded, or a positive label that is none.
        """
        self._pos_label = 1 if positive_label is None else _checked_index(positive_label, labels)
        super().__init__(names, group, labels=labels)

    @property
    def _is_binary(self) -> bool:
        return len(self.labels) == 2

    def _offered(self, inputs: Inputs) -> Inputs:
        """Returns what external metrics read: of two labels 1 is the positive one, as they expect."""
        if not self._is_binary:
            return inputs
        scores = inputs["scores"]
        offered = inputs if scores is None else inputs | dict.fromkeys(SCORE_INPUTS, scores[:, self._pos_label])
        return offered | {name: (inputs[name] == self._pos_label).astype(np.int64) for name in PAIR}

    @property
    def facts(self) -> dict[str, Any]:
        """The positive label, of two."""
        return {"positive_label": self.labels.names[self._pos_label]} if self._is_binary else {}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        indices = np.arange(self._sample_rows)
        return indices, indices, np.eye(self._sample_rows, len(self.labels))


class MultiLabelScorer(_LabelScorer):
    """Scores indicators {0,1} (N, L)."""

    axes = ("N", "L")

    def _offered(self, inputs: Inputs) -> Inputs:
        # Checked indicators are booleans, which evaluate's integer features do not take.
        return inputs | {name: inputs[name].astype(np.int64) for name in ("predictions", "references")}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        scores = np.eye(self._sample_rows, len(self.labels))
        indicators = scores.astype(np.int64)
        return indicators, indicators, scores
