"""Answers that are one of the choices of a question."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note, right_rows_note
from ftkit.report.texts import headline_text


def choice_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the texts of the right choice and of the one that was chosen."""
    candidates = split.split.examples[row].candidates
    return candidates[int(split.references[row])], candidates[int(split.predictions[row])]


def chance(split: EvaluatedSplit) -> float:
    """Returns the accuracy that guessing has on average."""
    return float(np.mean([1 / len(example.candidates) for example in split.split.examples]))


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    if metric != "accuracy" or value is None:
        return
    is_right = split.predictions == split.references
    yield from interval_note(metric, bootstrap(lambda rows: float(is_right[rows].mean()), len(split), reported=value))
    yield from right_rows_note(split, metric, value)
    yield f"guessing gives {headline_text(metric, chance(split))}"


READING = Reading(
    answers=choice_answers,
    answers_hold_texts=True,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="choice.md",
)
