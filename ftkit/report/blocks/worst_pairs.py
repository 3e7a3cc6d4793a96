"""The pairs of which a model most prefers the rejected answer, both answers side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.data.preferences import answer_text
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, error_table, shown_example, worst_rows
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import score_text, shorten

_MAX_TEXT = 400


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the pairs whose rejected answer has the higher reward, by how much; None where there are none."""
    rewards = [split.measures.get(name) for name in ("rejected_reward", "chosen_reward")]
    if rewards[0] is None or rewards[1] is None:
        return None
    margins = rewards[0] - rewards[1]
    weights = np.where(margins > 0, margins, -1.0)
    if (weights < 0).all():
        return None
    found = error_table(
        split,
        title="Pairs that it has the wrong way round",
        weight_title="Margin",
        num_errors=int((weights >= 0).sum()),
        units="pairs whose rejected answer has the higher reward",
        rows=[_row(content, split, row, float(margins[row])) for row in worst_rows(weights)],
    )
    return {**found, "expected_title": "Chosen", "predicted_title": "Rejected, and preferred by the model"}


def _row(content: ReportContent, split: EvaluatedSplit, row: int, margin: float) -> ErrorRow:
    """Returns a pair, with the margin of its rewards: chosen less rejected."""
    example = split.split.examples[row]
    return ErrorRow(
        **shown_example(content, example, limit=_MAX_TEXT),
        expected=shorten(answer_text(example.chosen), _MAX_TEXT),
        predicted=shorten(answer_text(example.rejected), _MAX_TEXT),
        weight=score_text(-margin),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
