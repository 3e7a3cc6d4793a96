"""Answers that are one label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.label_scores import label_interval
from ftkit.report.readings.reading import Reading, interval_note, right_rows_note
from ftkit.report.texts import MAX_LABEL, headline_text, shorten


def label_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the names of the expected and the predicted label."""
    expected, predicted = (content.label_names[int(ids[row])] for ids in (split.references, split.predictions))
    return shorten(expected, MAX_LABEL), shorten(predicted, MAX_LABEL)


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    names, positive = content.label_names, content.positive_label
    index = names.index(positive) if positive in names else 1
    interval = label_interval(split, metric, value, num_labels=len(names), positive=index)
    yield from interval_note(metric, interval)
    yield from right_rows_note(split, metric, value)
    if metric == "accuracy":
        yield f"always answering the most frequent label gives {headline_text(metric, largest_share(split))}"


def largest_share(split: EvaluatedSplit) -> float:
    """Returns the accuracy of always answering the most frequent label of the split."""
    return float(np.bincount(split.references).max() / len(split))


READING = Reading(
    answers=label_answers,
    notes=_notes,
    subtitle=lambda content: ("single-label classification",),
    template="label.md",
)
