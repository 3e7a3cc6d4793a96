"""Answers of which nothing is known but how Python writes them: for kinds that name no reading."""

from __future__ import annotations

from ftkit.report.readings.reading import Reading

READING = Reading(
    answers=lambda content, split, row: (str(split.references[row]), str(split.predictions[row])),
    answers_hold_texts=True,
    notes=lambda content, split, value: (),
    subtitle=lambda content: (),
    has_labels=False,
    template="any.md",
)
