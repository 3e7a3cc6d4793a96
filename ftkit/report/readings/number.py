"""Answers that are a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import Interval, bootstrap
from ftkit.report.readings.label_scores import MAX_VALUES
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import headline_text, score_text

_ERRORS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mse": lambda predictions, references: float(np.mean((predictions - references) ** 2)),
    "rmse": lambda predictions, references: float(np.sqrt(np.mean((predictions - references) ** 2))),
    "mae": lambda predictions, references: float(np.mean(np.abs(predictions - references))),
}


def number_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the expected and the predicted number."""
    return score_text(number(split.references[row])), score_text(number(split.predictions[row]))


def error_interval(split: EvaluatedSplit, metric: str, value: float | None) -> Interval | None:
    """Returns the 95% interval of an error of numbers, or None where no sound one is known."""
    if value is None or metric not in _ERRORS or split.predictions.size > MAX_VALUES:
        return None
    error = _ERRORS[metric]
    return bootstrap(lambda rows: error(split.predictions[rows], split.references[rows]), len(split), reported=value)


def mean_error(split: EvaluatedSplit, metric: str) -> float | None:
    """Returns the squared error of always answering the mean of the split; None for other metrics."""
    if metric not in ("mse", "rmse"):
        return None
    references = split.references
    return _ERRORS[metric](np.full_like(references, references.mean()), references)


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    yield from interval_note(metric, error_interval(split, metric, value))
    floor = mean_error(split, metric)
    if floor is not None:
        yield f"always answering the mean gives {headline_text(metric, floor)}"


READING = Reading(
    answers=number_answers,
    notes=_notes,
    subtitle=lambda content: ("regression",),
    has_labels=False,
    template="number.md",
)
