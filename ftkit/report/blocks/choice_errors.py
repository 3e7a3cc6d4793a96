"""The questions whose wrong choice the model was surest of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, error_table, shown_example, worst_rows
from ftkit.report.blocks.label_errors import confidence_text, error_confidences
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.choice import choice_answers
from ftkit.report.texts import MAX_TEXT, shorten


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    confidences = error_confidences(split)
    return error_table(
        split,
        title="Most confident errors",
        weight_title="Confidence",
        num_errors=int(np.count_nonzero(split.predictions != split.references)),
        units="wrong rows",
        rows=[_error_row(content, split, row, float(confidences[row])) for row in worst_rows(confidences)],
    )


def _error_row(content: ReportContent, split: EvaluatedSplit, row: int, confidence: float) -> ErrorRow:
    expected, predicted = choice_answers(content, split, row)
    return ErrorRow(
        **shown_example(content, split.split.examples[row]),
        expected=shorten(expected, MAX_TEXT),
        predicted=shorten(predicted, MAX_TEXT),
        weight=confidence_text(split, confidence),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
