"""The texts of which a language model knows least."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, error_table, shown_example, worst_rows
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import count_text, score_text

_FEWEST = 5  # hidden tokens of a text: of fewer the loss is mostly chance


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the texts with the highest mean loss, of those with enough hidden tokens; None where there are none."""
    items = split.measures["items"]
    losses = np.where(items >= _FEWEST, split.measures["loss"] / np.maximum(items, 1), -1.0)
    if (losses < 0).all():
        return None
    return error_table(
        split,
        title="Hardest texts",
        weight_title="Perplexity",
        num_errors=int((losses >= 0).sum()),
        units=f"texts with {_FEWEST} hidden tokens or more",
        rows=[_row(content, split, row, losses[row]) for row in worst_rows(losses)],
    )


def _row(content: ReportContent, split: EvaluatedSplit, row: int, loss: float) -> ErrorRow:
    items, found = (count_text(float(split.measures[name][row])) for name in ("items", "num_first"))
    expected, predicted = f"{items} hidden tokens", f"{found} found"
    return ErrorRow(
        **shown_example(content, split.split.examples[row]),
        expected=expected,
        predicted=predicted,
        weight=score_text(float(np.exp(min(loss, 700.0)))),
        expected_labels=expected,
        predicted_labels=predicted,
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
