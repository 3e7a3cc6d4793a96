"""Answers that are the order in which a text finds others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftkit.metrics.search import NUMBERS, ranks_of
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note


def row_ranks(split: EvaluatedSplit) -> np.ndarray:
    """Returns the rank of the nearest right text of each row that is the first with its anchor, else 0: (N,)."""
    ranks, rows = ranks_of(list(split.predictions), list(split.references))
    found = np.zeros(len(split), np.int64)
    found[rows] = [of_query[0] for of_query in ranks]
    return found


def search_answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns at which rank the right text should be, and is."""
    return told_ranks(int(row_ranks(split)[row]))


def told_ranks(rank: int) -> tuple[str, str]:
    """Returns the rank of the nearest right text as it should be, and as it is; 0 of an anchor that came before."""
    return "at rank 1", f"at rank {rank}" if rank else "as in an earlier row"


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    one = NUMBERS.get(metric)
    if value is not None and one is not None:
        ranks, _ = ranks_of(list(split.predictions), list(split.references))
        values = np.array([one(of_query) for of_query in ranks])
        bounds = bootstrap(lambda rows: float(values[rows].mean()), len(values), reported=value)
        yield from interval_note(metric, bounds)


READING = Reading(
    answers=search_answers,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="search.md",
)
