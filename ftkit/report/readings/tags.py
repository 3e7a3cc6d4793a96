"""Answers that are the tags of words, each by itself."""

from __future__ import annotations

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import Interval, bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import MAX_TEXT, shorten


def accuracy_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Interval | None:
    """Returns the 95% interval of the share of right words over sentences drawn anew, or None for another metric."""
    if value is None or content.primary_metric != "accuracy":
        return None
    pairs = zip(split.references, split.predictions, strict=True)
    counts = np.array([(np.count_nonzero(expected == found), len(expected)) for expected, found in pairs])
    return bootstrap(lambda rows: float(np.divide(*counts[rows].sum(axis=0))), len(split), reported=value)


def tagged(content: ReportContent, words: tuple[str, ...], ids: np.ndarray) -> str:
    """Returns words with their tags: `Anna/PROPN left/VERB`."""
    return shorten(
        " ".join(f"{word}/{content.label_names[tag]}" for word, tag in zip(words, ids, strict=True)), MAX_TEXT
    )


def _answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    words = split.split.examples[row].words
    return tagged(content, words, split.references[row]), tagged(content, words, split.predictions[row])


READING = Reading(
    answers=_answers,
    answers_hold_texts=True,
    notes=lambda content, split, value: interval_note(
        content.primary_metric, accuracy_interval(content, split, value)
    ),
    subtitle=lambda content: (),
    units="words",
    template="tags.md",
)
