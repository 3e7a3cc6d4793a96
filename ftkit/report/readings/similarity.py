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
    return _pearson(_ranks(one), _ranks(other))


def _ranks(places_N: np.ndarray) -> np.ndarray:
    """Returns the ranks of values that are told by their places in order; equal ones share the mean of theirs.

    Example: the places 0, 4, 4 have the ranks 1, 2.5, 2.5.
    """
    counts_K = np.bincount(places_N)
    return (counts_K.cumsum() - (counts_K - 1) / 2)[places_N]


def _places(values_N: np.ndarray) -> np.ndarray:
    """Returns each value's place among the values in order: drawn rows are ranked by them without being sorted."""
    return np.unique(values_N, return_inverse=True)[1]


_CORRELATIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"pearson": _pearson, "spearman": _spearman}


def similarity_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the expected and the predicted similarity."""
    return score_text(number(split.references[row])), score_text(number(split.predictions[row]))


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    correlation = _CORRELATIONS.get(metric)
    if value is not None and correlation is not None and split.predictions.size <= MAX_VALUES:
        predicted, expected = np.asarray(split.predictions), np.asarray(split.references)
        if metric == "spearman":
            predicted, expected = _places(predicted), _places(expected)
        bounds = bootstrap(lambda rows: correlation(predicted[rows], expected[rows]), len(split), reported=value)
        yield from interval_note(metric, bounds)


READING = Reading(
    answers=similarity_answers,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="similarity.md",
)
