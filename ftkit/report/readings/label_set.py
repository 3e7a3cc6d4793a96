"""Answers that are any number of labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.label_scores import label_interval
from ftkit.report.readings.reading import Reading, interval_note, right_rows_note
from ftkit.report.texts import MAX_TEXT, shorten


def label_set_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the names of the expected and of the predicted labels."""
    return _names(content, split.references[row]), _names(content, split.predictions[row])


def _names(content: ReportContent, indicators: np.ndarray) -> str:
    names = [name for name, has_label in zip(content.label_names, indicators, strict=True) if has_label]
    return shorten(", ".join(names), MAX_TEXT) or "(none)"


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    yield from interval_note(metric, label_interval(split, metric, value, num_labels=len(content.label_names)))
    yield from right_rows_note(split, metric, value)


READING = Reading(
    answers=label_set_answers,
    notes=_notes,
    subtitle=lambda content: ("multi-label classification",),
    template="label_set.md",
)
