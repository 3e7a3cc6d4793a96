"""Answers that are boxes with labels in an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ftkit.data.drawn_boxes import SURE
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.reading import Reading


def counted(content: ReportContent, rows: np.ndarray) -> str:
    """Returns how many boxes of each label there are: `2 cat, 1 dog`."""
    counts = Counter(content.label_names[int(label)] for label in rows[:, 0])
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"


def sure(rows_K6: np.ndarray) -> np.ndarray:
    """Returns the predictions that are shown."""
    return rows_K6[rows_K6[:, 1] >= SURE]


def _answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    return counted(content, split.references[row]), counted(content, sure(split.predictions[row]))


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    boxes = sum(int((rows_K7[:, 1] == 0).sum()) for rows_K7 in split.references)
    yield f"{boxes:,} boxes in {len(split):,} images; no baseline, as a guess that looks at no image finds none"


READING = Reading(answers=_answers, notes=_notes, subtitle=lambda content: (), units="boxes", template="boxes.md")
