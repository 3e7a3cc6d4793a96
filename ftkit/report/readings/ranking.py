"""Answers that are an order of candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ftkit.metrics.ranking import NUMBERS, ranked
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import headline_text

_MOST_SHOWN = 5


def ranked_relevances(split: EvaluatedSplit) -> list[np.ndarray]:
    """Returns the relevances of each query's documents in the order of the model, (N,) of arrays (K,)."""
    return [
        ranked(np.asarray(scores, float), np.asarray(relevances, float))
        for scores, relevances in zip(split.predictions, split.references, strict=True)
    ]


def ranking_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns how many documents are relevant, and at which ranks the model has them."""
    ranked_K = ranked(np.asarray(split.predictions[row], float), np.asarray(split.references[row], float))
    ranks = (np.flatnonzero(ranked_K > 0) + 1).tolist()
    shown = ", ".join(map(str, ranks[:_MOST_SHOWN])) + (" ..." if len(ranks) > _MOST_SHOWN else "")
    return f"{len(ranks)} of {len(ranked_K)} relevant", f"at rank {shown}" if ranks else "none to find"


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    number = NUMBERS.get(metric)
    counted = [ranked_K for ranked_K in ranked_relevances(split) if (ranked_K > 0).any()]
    if number is None or value is None or not counted:
        return
    values = np.array([number(ranked_K) for ranked_K in counted])
    yield from interval_note(metric, bootstrap(lambda rows: float(values[rows].mean()), len(values), reported=value))
    yield f"a random order gives about {headline_text(metric, _by_chance(counted, number))}"


def _by_chance(counted: list[np.ndarray], number: Callable[[np.ndarray], float]) -> float:
    rng = np.random.default_rng(0)
    draws = [np.mean([number(rng.permutation(ranked_K)) for ranked_K in counted]) for _ in range(10)]
    return float(np.mean(draws))


READING = Reading(
    answers=ranking_answers,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="ranking.md",
)
