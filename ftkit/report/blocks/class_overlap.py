"""IoU, Dice, accuracy and precision of each class of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ftkit.report.blocks.block import Block
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.texts import MAX_LABEL, shorten
from ftkit.report.values import BlockValues

MAX_ROWS = 200


@dataclass(frozen=True)
class ClassRow:
    """One class; its scores are None where the split has no pixel of it.

    Attributes:
        share: of the pixels of the split.
    """

    name: str
    share: float
    iou: float | None
    dice: float | None
    accuracy: float | None
    precision: float | None


class ClassOverlap(BlockValues):
    """The table of classes.

    Attributes:
        num_classes: how many there are, of which `rows` may hold those of lowest IoU alone.
    """

    rows: tuple[ClassRow, ...]
    num_classes: int


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    per_label = content.per_label(split)
    if not per_label:
        return None
    total = max(sum(int(values.get("support") or 0) for values in per_label.values()), 1)
    rows = [
        ClassRow(
            shorten(name, MAX_LABEL),
            int(values.get("support") or 0) / total,
            *(number(values.get(key)) for key in ("iou", "dice", "accuracy", "precision")),
        )
        for name, values in per_label.items()
    ]
    worst = sorted(rows, key=lambda row: (row.iou is None, row.iou or 0.0))[:MAX_ROWS]
    return {"rows": [row for row in rows if row in worst], "num_classes": len(rows)}


BLOCK = Block(values=_values, model=ClassOverlap, template="class_overlap.html")
