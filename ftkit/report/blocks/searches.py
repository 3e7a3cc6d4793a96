"""Where right texts stand in a search by vectors: over all anchors, and for the worst of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, error_table, shown_example, worst_rows
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.blocks.rankings import drawn_ranks
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.search import row_ranks, told_ranks


def _plot(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    ranks = row_ranks(split)
    return plot_values(drawn_ranks(ranks[ranks > 0], f"First right text on {split.name}", "text", name="search"))


def _errors(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    ranks = row_ranks(split)
    return error_table(
        split,
        title="Texts that are found last",
        weight_title="Found at rank",
        num_errors=int(np.count_nonzero(ranks > 1)),
        units="anchors whose text is not the nearest",
        rows=[_row(content, split, row, int(ranks[row])) for row in worst_rows(np.where(ranks > 1, ranks, -1))],
    )


def _row(content: ReportContent, split: EvaluatedSplit, row: int, rank: int) -> ErrorRow:
    expected, predicted = told_ranks(rank)
    return ErrorRow(
        **shown_example(content, split.split.examples[row]),
        expected=expected,
        predicted=predicted,
        weight=f"{rank}",
        expected_labels=expected,
        predicted_labels=predicted,
    )


RANKS = Block(values=_plot, model=Plot, template="plot.html", is_half=True)
ERRORS = Block(values=_errors, model=ErrorTable, template="error_table.html")
