"""Replies that a model writes, and of which there is more than one that is right."""

from __future__ import annotations

from ftkit.report.readings.reading import Reading

READING = Reading(
    answers=lambda content, split, row: (str(split.references[row]), str(split.predictions[row])),
    answers_hold_texts=True,
    notes=lambda content, split, value: (),
    subtitle=lambda content: (),
    has_labels=False,
    template="reply.md",
)
