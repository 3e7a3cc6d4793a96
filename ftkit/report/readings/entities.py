"""Answers that are the entities of a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.entities import entities_of, entity_names
from ftkit.report.intervals import Interval, bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.tag_schemes import Entity


def f1_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Interval | None:
    """Returns the 95% interval of the entity F1 over sentences drawn anew, or None where no sound one is known."""
    if value is None or content.primary_metric not in ("f1", "conlleval_f1"):
        return None
    counts = np.array([_counts(*entities_of(content, split, row)) for row in range(len(split))])
    return bootstrap(lambda rows: _f1(counts[rows].sum(axis=0)), len(split), reported=value)


def _counts(expected: Sequence[Entity], predicted: Sequence[Entity]) -> tuple[int, int]:
    """Returns the hits of a row, and how many entities it has on both sides together."""
    return len(set(expected) & set(predicted)), len(predicted) + len(expected)


def _f1(counts: np.ndarray) -> float:
    hits, predicted_and_expected = counts
    return float(2 * hits / predicted_and_expected) if predicted_and_expected else 0.0


def _answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    words = split.split.examples[row].words
    expected, predicted = (entity_names(words, entities) for entities in entities_of(content, split, row))
    return expected, predicted


def _how_read(content: ReportContent, split: EvaluatedSplit) -> dict[str, str]:
    """Returns how entities were read from tags, without which an F1 says little: `scheme` and `mode`."""
    found = {key: content.results.get(f"{split.prefix}_{key}") for key in ("scheme", "mode")}
    return {key: str(value) for key, value in found.items() if value}


def _conditions(content: ReportContent, split: EvaluatedSplit) -> str:
    found = _how_read(content, split)
    return f"{found['mode']} {found['scheme']}" if len(found) == 2 else ""


def _subtitle(content: ReportContent) -> tuple[str, ...]:
    return () if content.headline is None else tuple(_how_read(content, content.headline).values())


READING = Reading(
    answers=_answers,
    answers_hold_texts=True,
    notes=lambda content, split, value: interval_note(content.primary_metric, f1_interval(content, split, value)),
    subtitle=_subtitle,
    conditions=_conditions,
    units="entities",
    template="entities.md",
)
