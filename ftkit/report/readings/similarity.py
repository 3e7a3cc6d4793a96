"""Answers that are how alike two texts are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.label_scores import MAX_VALUES
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import score_text


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(np.corrcoef(one, other)[0, 1])


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import rankdata

    return _pearson(rankdata(one), rankdata(other))


_CORRELATIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"pearson": _pearson, "spearman": _spearman}


def similarity_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the expected and the predicted similarity."""
    return score_text(number(split.references[row])), score_text(number(split.predictions[row]))


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    correlation = _CORRELATIONS.get(metric)
    if value is not None and correlation is not None and split.predictions.size <= MAX_VALUES:
        predicted, expected = split.predictions, split.references
        bounds = bootstrap(lambda rows: correlation(predicted[rows], expected[rows]), len(split), reported=value)
        yield from interval_note(metric, bounds)


READING = Reading(
    answers=similarity_answers,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="similarity.md",
)
