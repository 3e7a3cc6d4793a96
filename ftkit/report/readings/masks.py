"""Answers that are masks: a class for every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.reading import Reading
from ftkit.report.texts import MAX_LABEL, headline_text, shorten

_MOST_NAMED = 4


def mask_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the shares of the classes in the true and in the predicted mask, the largest first."""
    masks = (split.references[row], split.predictions[row])
    expected, predicted = (_shares(mask.indices(), content.label_names) for mask in masks)
    return expected, predicted


def _shares(indices_HW: np.ndarray, names: Sequence[str]) -> str:
    """Example: `cell 78%, membrane 22%`."""
    counts = np.bincount(indices_HW[indices_HW >= 0], minlength=len(names))
    order = [index for index in np.argsort(-counts, kind="stable") if counts[index]]
    total = max(int(counts.sum()), 1)
    parts = [f"{shorten(names[index], MAX_LABEL)} {counts[index] / total:.0%}" for index in order[:_MOST_NAMED]]
    return ", ".join(parts) + (" ..." if len(order) > _MOST_NAMED else "")


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    alone = content.score(split, "baseline_most_frequent_class")
    if alone is not None:
        yield f"one class for all pixels gives {headline_text(metric, alone)}"


READING = Reading(
    answers=mask_answers,
    notes=_notes,
    subtitle=lambda content: ("semantic segmentation",),
    units="pixels",
    template="masks.md",
)
