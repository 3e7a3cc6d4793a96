"""The inputs whose number is furthest from the true one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorTable, error_rows, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.texts import score_text


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    errors = np.abs(split.predictions.astype(np.float64) - split.references)
    weights = np.where(errors > 0, errors, np.where(np.isnan(errors), np.inf, -1.0))
    return error_table(
        split,
        title="Largest errors",
        weight_title="Error",
        num_errors=len(split),
        units="rows",
        rows=error_rows(content, split, weights, weight_text=lambda weight: score_text(number(weight))),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
