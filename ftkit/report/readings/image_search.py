"""Answers that are the order in which an image finds its texts, and a text its images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftkit.metrics.image_search import Ranks, ranks_both_ways, recalls
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.readings.search import told_ranks


def ranks_of_split(split: EvaluatedSplit) -> tuple[Ranks, Ranks]:
    """Returns the ranks of the texts that images look for, and of the images that texts look for."""
    return ranks_both_ways(list(split.predictions), list(split.references))


def _answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns at which rank the right text of an image should be, and is."""
    images, _ = ranks_of_split(split)
    places = np.flatnonzero(images.rows == row)
    return told_ranks(int(images.best[places[0]]) if len(places) else 0)


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    """Yields the interval of the mean recall, over images with their texts as they were drawn."""
    if value is None or content.primary_metric != "mean_recall":
        return
    images, texts = ranks_of_split(split)
    by_row = {int(row): [int(rank)] for rank, row in zip(images.best, images.rows, strict=True)}
    for rank, row in zip(texts.best, texts.rows, strict=True):
        by_row.setdefault(int(row), []).append(int(rank))
    own = np.array([np.mean(recalls(np.array(ranks[:1]))) for ranks in by_row.values()])
    found = np.array([np.mean(recalls(np.array(ranks[1:] or ranks))) for ranks in by_row.values()])
    bounds = bootstrap(lambda rows: float((own[rows].mean() + found[rows].mean()) / 2), len(own), reported=value)
    yield from interval_note(content.primary_metric, bounds)


READING = Reading(
    answers=_answers,
    notes=_notes,
    subtitle=lambda content: (),
    has_labels=False,
    template="image_search.md",
)
