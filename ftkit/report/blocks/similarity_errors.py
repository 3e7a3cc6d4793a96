"""The pairs that stand furthest from their place in the order of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorTable, error_rows, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    places = [rankdata(values) / len(split) for values in (split.predictions, split.references)]
    distances = np.abs(places[0] - places[1])
    return error_table(
        split,
        title="Pairs furthest from their place",
        weight_title="Places off",
        num_errors=len(split),
        units="pairs",
        rows=error_rows(
            content, split, np.where(distances > 0, distances, -1.0), weight_text=lambda weight: f"{weight:.0%}"
        ),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
