"""Precision, recall and F1 of each label, in a table of bounded length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftkit.report.blocks.block import Block
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.readings.reading import find_reading
from ftkit.report.texts import MAX_LABEL, shorten
from ftkit.report.values import BlockValues

MAX_LABEL_ROWS = 200
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
            name=shorten(name, MAX_LABEL),
            support=support[name],
            precision=number(per_label[name].get("precision")),
            recall=number(per_label[name].get("recall")),
            f1=f1[name],
            is_worst=name in worst,
        )
        for name in ordered
    ]


class LabelScores(BlockValues):
    """The table of labels.

    Attributes:
        num_labels: how many there are, of which `rows` may hold the lowest alone.
        units: what `support` counts: rows, or entities.
    """

    rows: tuple[LabelRow, ...]
    num_labels: int
    units: str


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    per_label = content.per_label(split)
    if not per_label:
        return None
    units = find_reading(content.reading).units
    return {"rows": label_rows(per_label), "num_labels": len(per_label), "units": units}


BLOCK = Block(values=_values, model=LabelScores, template="label_scores.html")
