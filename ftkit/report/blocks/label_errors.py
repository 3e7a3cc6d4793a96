"""The inputs whose wrong label the model was surest of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorTable, error_rows, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.texts import MISSING, score_text


def error_confidences(split: EvaluatedSplit) -> np.ndarray:
    """Returns the confidence in each wrong label (N,): -1 where it is right, 0 where it is not known."""
    confidences = np.zeros(len(split)) if split.confidences is None else split.confidences.astype(np.float64)
    return np.where(split.predictions != split.references, np.nan_to_num(confidences), -1.0)


def confidence_text(split: EvaluatedSplit, confidence: float) -> str:
    """Returns a confidence as text; a dash where the split has none."""
    return MISSING if split.confidences is None else score_text(number(confidence))


def label_errors(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    """Returns the values of the table of the most confident errors."""
    return error_table(
        split,
        title="Most confident errors",
        weight_title="Confidence",
        num_errors=int(np.count_nonzero(split.predictions != split.references)),
        units="wrong rows",
        rows=error_rows(
            content, split, error_confidences(split), weight_text=lambda weight: confidence_text(split, weight)
        ),
    )


BLOCK = Block(values=label_errors, model=ErrorTable, template="error_table.html")
