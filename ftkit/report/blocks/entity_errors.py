"""The entities that a tagger missed, made up or mislabelled, those first of which it was surest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import MAX_ERROR_ROWS, ErrorRow, ErrorTable, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.entities import entities_of, entity_labels, entity_names
from ftkit.report.texts import MAX_LABEL, MAX_TEXT, MISSING, score_text, shorten
from ftkit.tag_schemes import Entity

_CONTEXT = 12  # words shown on each side of an entity


@dataclass(frozen=True)
class _Error:
    """Entities of a row that touch each other and are not equal; one of the sides may be empty."""

    row: int
    expected: list[Entity]
    predicted: list[Entity]
    confidence: float


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    errors = sorted(_errors(content, split), key=lambda error: -error.confidence)
    return error_table(
        split,
        title="Most confident errors",
        weight_title="Confidence",
        num_errors=len(errors),
        units="wrong entities",
        rows=[_error_row(split, error) for error in errors[:MAX_ERROR_ROWS]],
    )


def _errors(content: ReportContent, split: EvaluatedSplit) -> Iterator[_Error]:
    """Yields what is wrong.

    A predicted entity that is not expected comes with the expected ones that it touches; an expected one that no
    prediction touches was missed.
    """
    for row in range(len(split)):
        expected, predicted = entities_of(content, split, row)
        for entity in predicted:
            if entity not in expected:
                touched = [other for other in expected if _touch(entity, other)]
                yield _Error(row, touched, [entity], _confidence(split, row, entity))
        for entity in expected:
            if not any(_touch(entity, other) for other in predicted):
                yield _Error(row, [entity], [], _confidence(split, row, entity))


def _touch(one: Entity, other: Entity) -> bool:
    return one.start < other.stop and other.start < one.stop


def _confidence(split: EvaluatedSplit, row: int, entity: Entity) -> float:
    """Returns the mean probability of what was predicted for the entity's words."""
    if split.confidences is None:
        return 0.0
    return float(np.nan_to_num(split.confidences[row][entity.start : entity.stop].mean()))


def _error_row(split: EvaluatedSplit, error: _Error) -> ErrorRow:
    example = split.split.examples[error.row]
    return ErrorRow(
        line=example.line,
        id=shorten(example.id, MAX_LABEL),
        texts=(_context(example.words, [*error.expected, *error.predicted]),),
        expected=entity_names(example.words, error.expected),
        predicted=entity_names(example.words, error.predicted),
        weight=MISSING if split.confidences is None else score_text(error.confidence),
        expected_labels=entity_labels(error.expected),
        predicted_labels=entity_labels(error.predicted),
    )


def _context(words: tuple[str, ...], entities: list[Entity]) -> str:
    """Returns the words around entities."""
    start, stop = min(entity.start for entity in entities), max(entity.stop for entity in entities)
    shown = words[max(0, start - _CONTEXT) : stop + _CONTEXT]
    return shorten(" ".join([*(["…"] if start > _CONTEXT else []), *shown]), MAX_TEXT)


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
