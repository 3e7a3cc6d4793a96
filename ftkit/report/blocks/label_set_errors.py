"""The inputs with the most wrong labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorTable, error_rows, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    num_wrong = np.count_nonzero(split.predictions != split.references, axis=1)
    weights = np.where(num_wrong > 0, num_wrong, -1.0)
    return error_table(
        split,
        title="Rows with the most wrong labels",
        weight_title="Wrong labels",
        num_errors=int(np.count_nonzero(num_wrong)),
        units="wrong rows",
        rows=error_rows(content, split, weights, weight_text=lambda weight: f"{weight:.0f}"),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
