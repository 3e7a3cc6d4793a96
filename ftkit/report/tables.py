"""The tables of the report: labels, confused pairs, rows that went wrong; each of bounded length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.texts import score_text, shorten

MAX_LABEL_ROWS = 200
MAX_ERROR_ROWS = 20
_MAX_TEXT = 200
_MAX_LABEL = 60
_MAX_WORST = 3


@dataclass(frozen=True)
class LabelRow:
    """One label in the per-label table.

    Attributes:
        is_worst: among the lowest F1 of the labels that the split holds.
    """

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    is_worst: bool


def label_rows(per_label: Mapping[str, Mapping[str, Any]]) -> list[LabelRow]:
    """Returns labels by support, largest first; with too many of them only those of lowest F1."""
    f1 = {name: number(values.get("f1")) for name, values in per_label.items()}
    support = {name: int(values.get("support") or 0) for name, values in per_label.items()}
    present = sorted((name for name in per_label if support[name]), key=lambda name: (f1[name] or 0.0, -support[name]))
    absent = [name for name in per_label if not support[name]]
    # A quarter of few labels, so that the mark says something; and a perfect label is no weak spot.
    num_worst = min(_MAX_WORST, (len(present) + 3) // 4)
    worst = {name for name in present[:num_worst] if (f1[name] or 0.0) < 1}
    shown = set([*present, *absent][:MAX_LABEL_ROWS])
    ordered = sorted((name for name in per_label if name in shown), key=lambda name: -support[name])
    return [
        LabelRow(
            name=shorten(name, _MAX_LABEL),
            support=support[name],
            precision=number(per_label[name].get("precision")),
            recall=number(per_label[name].get("recall")),
            f1=f1[name],
            is_worst=name in worst,
        )
        for name in ordered
    ]


@dataclass(frozen=True)
class ConfusedPair:
    """A label that was taken for another, `count` times of the `support` rows that have it."""

    expected: str
    predicted: str
    count: int
    support: int


def confused_pairs(split: EvaluatedSplit, label_names: tuple[str, ...], limit: int) -> list[ConfusedPair]:
    """Returns the most frequent confusions of single labels; of equals, in label order.

    Args:
        split: with label ids (N,).
        label_names: in output order.
        limit: the most pairs to return.
    """
    wrong = split.predictions != split.references
    codes = split.references[wrong].astype(np.int64) * len(label_names) + split.predictions[wrong]
    pairs, counts = np.unique(codes, return_counts=True)
    support = np.bincount(split.references, minlength=len(label_names))
    order = np.argsort(-counts, kind="stable")[:limit]
    return [
        ConfusedPair(label_names[expected], label_names[predicted], int(count), int(support[expected]))
        for (expected, predicted), count in zip(
            (divmod(int(code), len(label_names)) for code in pairs[order]), counts[order], strict=True
        )
    ]


@dataclass(frozen=True)
class ErrorRow:
    """One row of the data that the model got wrong.

    Attributes:
        id: as text, expected and predicted None where the users' texts are left out.
        weight: the confidence of a label, the number of wrong labels, or the size of the error.
        expected_labels: what of `expected` is no text of the data; None where it is nothing else.
        predicted_labels: the same of `predicted`.
    """

    line: int
    id: str | None
    text: str | None
    text_pair: str | None
    expected: str | None
    predicted: str | None
    weight: str
    expected_labels: str | None = None
    predicted_labels: str | None = None

    def without_texts(self) -> ErrorRow:
        """Returns the row with its line, weight and labels alone."""
        return replace(
            self,
            id=None,
            text=None,
            text_pair=None,
            expected=self.expected_labels,
            predicted=self.predicted_labels,
        )


def error_rows(content: ReportContent, split: EvaluatedSplit) -> list[ErrorRow]:
    """Returns the worst errors: most confident, most wrong labels, or furthest from the true number."""
    weights = _weights(content, split)
    # A stable sort keeps file order among equals, so that the same run gives the same report.
    order = np.argsort(-weights, kind="stable")[:MAX_ERROR_ROWS]
    return [_error_row(content, split, int(row), float(weights[row])) for row in order if weights[row] >= 0]


def num_wrong(split: EvaluatedSplit) -> int:
    """Returns how many rows are not exactly right."""
    wrong = split.predictions != split.references
    return int(np.count_nonzero(wrong.any(axis=1) if wrong.ndim == 2 else wrong))


def _weights(content: ReportContent, split: EvaluatedSplit) -> np.ndarray:
    """Returns how bad each row is, (N,); -1 where it is right."""
    if content.problem_type == "regression":
        errors = np.abs(split.predictions.astype(np.float64) - split.references)
        return np.where(errors > 0, errors, np.where(np.isnan(errors), np.inf, -1.0))
    if content.problem_type == "multi_label_classification":
        num_wrong = np.count_nonzero(split.predictions != split.references, axis=1)
        return np.where(num_wrong > 0, num_wrong, -1.0)
    confidences = np.zeros(len(split)) if split.confidences is None else split.confidences.astype(np.float64)
    return np.where(split.predictions != split.references, np.nan_to_num(confidences), -1.0)


def _error_row(content: ReportContent, split: EvaluatedSplit, row: int, weight: float) -> ErrorRow:
    example = split.split.examples[row]
    expected, predicted = (answer_text(content, values[row]) for values in (split.references, split.predictions))
    return ErrorRow(
        line=example.line,
        id=shorten(example.id, _MAX_LABEL),
        text=shorten(getattr(example, "text", None) or example.summary(), _MAX_TEXT),
        text_pair=None if getattr(example, "text_pair", None) is None else shorten(example.text_pair, _MAX_TEXT),
        expected=expected,
        predicted=predicted,
        weight=_weight_text(content, split, weight),
        expected_labels=expected,
        predicted_labels=predicted,
    )


def answer_text(content: ReportContent, value: Any) -> str:
    """Returns an id, yes or no for each label, or a number, as label name, names or text."""
    if content.problem_type == "regression":
        return score_text(number(value))
    if content.problem_type == "single_label_classification":
        return shorten(content.label_names[int(value)], _MAX_LABEL)
    names = [name for name, has_label in zip(content.label_names, value, strict=True) if has_label]
    return shorten(", ".join(names), _MAX_TEXT) or "(none)"


def _weight_text(content: ReportContent, split: EvaluatedSplit, weight: float) -> str:
    if content.problem_type == "multi_label_classification":
        return f"{weight:.0f}"
    if content.problem_type == "single_label_classification" and split.confidences is None:
        return score_text(None)
    return score_text(number(weight))
