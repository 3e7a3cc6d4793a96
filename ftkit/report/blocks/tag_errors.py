"""The words whose wrong tag the model was surest of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import MAX_ERROR_ROWS, ErrorRow, ErrorTable, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import MAX_LABEL, MAX_TEXT, MISSING, score_text, shorten

_CONTEXT = 12  # words shown on each side of the word


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    errors = [
        (_confidence(split, row, int(word)), row, int(word))
        for row in range(len(split))
        for word in np.flatnonzero(split.references[row] != split.predictions[row])
    ]
    errors.sort(key=lambda error: -error[0])
    return error_table(
        split,
        title="Most confident errors",
        weight_title="Confidence",
        num_errors=len(errors),
        units="wrong words",
        rows=[_error_row(content, split, *error) for error in errors[:MAX_ERROR_ROWS]],
    )


def _confidence(split: EvaluatedSplit, row: int, word: int) -> float:
    return 0.0 if split.confidences is None else float(np.nan_to_num(split.confidences[row][word]))


def _error_row(content: ReportContent, split: EvaluatedSplit, confidence: float, row: int, word: int) -> ErrorRow:
    example = split.split.examples[row]
    expected, predicted = (content.label_names[ids[row][word]] for ids in (split.references, split.predictions))
    before, after = example.words[max(0, word - _CONTEXT) : word], example.words[word + 1 : word + 1 + _CONTEXT]
    context = " ".join([*(["…"] if word > _CONTEXT else []), *before, f"[{example.words[word]}]", *after])
    return ErrorRow(
        line=example.line,
        id=shorten(example.id, MAX_LABEL),
        texts=(shorten(context, MAX_TEXT),),
        expected=f"{shorten(example.words[word], MAX_LABEL)} ({shorten(expected, MAX_LABEL)})",
        predicted=f"{shorten(example.words[word], MAX_LABEL)} ({shorten(predicted, MAX_LABEL)})",
        weight=MISSING if split.confidences is None else score_text(confidence),
        expected_labels=shorten(expected, MAX_LABEL),
        predicted_labels=shorten(predicted, MAX_LABEL),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
