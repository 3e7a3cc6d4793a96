"""Where relevant documents stand in the model's order: over all queries, and in the worst of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorTable, error_rows, error_table
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.ranking import ranked_relevances
from ftkit.report.svg import HALF, LIGHT, Drawing, quiet_grid, titled

_MOST_RANKS = 20


def first_ranks(split: EvaluatedSplit) -> np.ndarray:
    """Returns the rank of each query's first relevant document, from 1; 0 where none is relevant: (N,)."""
    return np.array(
        [int(np.argmax(ranked_K > 0)) + 1 if (ranked_K > 0).any() else 0 for ranked_K in ranked_relevances(split)]
    )


def rank_histogram(split: EvaluatedSplit, *, name: str = "ranks") -> str | None:
    """Draws how many queries have their first relevant document at each rank; None where no query has one.

    Args:
        split: with scores and relevances, (N,) of arrays (K,).
        name: goes before the ids of the SVG.
    """
    ranks = first_ranks(split)
    return drawn_ranks(ranks[ranks > 0], f"First relevant document on {split.name}", "document", name=name)


def drawn_ranks(ranks: np.ndarray, title: str, noun: str, *, name: str) -> str | None:
    """Draws how many queries have their first right candidate at each rank; None without queries.

    Args:
        ranks: from 1, (N,).
        title: what stands before the share of those at rank 1.
        noun: what a candidate is called.
        name: goes before the ids of the SVG.
    """
    if not len(ranks):
        return None
    counts = np.bincount(np.minimum(ranks, _MOST_RANKS + 1))[1:]
    with Drawing(name, f"Rank of the first relevant {noun}", size=(HALF, 4.2)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, f"{title}: at rank 1 in {np.mean(ranks == 1):.0%}")
        axes.bar(np.arange(1, len(counts) + 1), counts, width=0.86, color=LIGHT["accent"], alpha=0.85)
        axes.set(xlabel=f"rank; {_MOST_RANKS + 1} and below are one bar", ylabel="queries")
        quiet_grid(axes)
    return drawing.svg


def _errors(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    ranks = first_ranks(split)
    return error_table(
        split,
        title="Queries whose relevant documents stand lowest",
        weight_title="First at rank",
        num_errors=int(np.count_nonzero(ranks > 1)),
        units="queries without a relevant document at rank 1",
        rows=error_rows(content, split, np.where(ranks > 1, ranks, -1), weight_text=lambda rank: f"{rank:.0f}"),
    )


HISTOGRAM = Block(
    values=lambda content, split: plot_values(rank_histogram(split)), model=Plot, template="plot.html", is_half=True
)
ERRORS = Block(values=_errors, model=ErrorTable, template="error_table.html")
