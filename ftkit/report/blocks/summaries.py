"""Summaries that are furthest from their references, and how long all of them are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftkit.metrics.rouge import rouge, words
from ftkit.metrics.translation import texts_of
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, error_table, shown_example, worst_rows
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import LIGHT, Drawing, quiet_grid, titled
from ftkit.report.texts import score_text, shorten

_MAX_TEXT = 400
_NUM_BINS = 24


def _errors(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    """Returns the summaries with the lowest ROUGE-L."""
    pairs = zip(split.predictions, split.references, strict=True)
    scores = np.array([rouge(text, texts_of(references)).rougeL for text, references in pairs])
    weights = np.where(scores < 1, 1 - scores, -1.0)
    return error_table(
        split,
        title="Summaries furthest from the expected ones",
        weight_title="ROUGE-L",
        num_errors=int((weights >= 0).sum()),
        units="rows that are not word for word as expected",
        rows=[_row(content, split, row, float(scores[row])) for row in worst_rows(weights)],
    )


def _row(content: ReportContent, split: EvaluatedSplit, row: int, score: float) -> ErrorRow:
    return ErrorRow(
        **shown_example(content, split.split.examples[row], limit=_MAX_TEXT),
        expected=shorten(" / ".join(texts_of(split.references[row])), _MAX_TEXT),
        predicted=shorten(split.predictions[row], _MAX_TEXT) or "(nothing)",
        weight=score_text(score),
    )


def _lengths(content: ReportContent, split: EvaluatedSplit) -> Mapping[str, Any] | None:
    """Draws how many words summaries and references have."""
    ours = [len(words(text)) for text in split.predictions]
    theirs = [len(words(text)) for references in split.references for text in texts_of(references)]
    edges = np.unique(np.linspace(0, max([*ours, *theirs, 1]) + 1, _NUM_BINS + 1).round())
    with Drawing("summary-lengths", "Words of summaries", size=(7.2, 2.8)) as drawing:
        axes = drawing.figure.add_subplot()
        for lengths, label, style in ((theirs, "references", ":"), (ours, "summaries", "-")):
            counts, _ = np.histogram(lengths, edges)
            axes.stairs(counts / max(len(lengths), 1), edges, linestyle=style, label=label, color=LIGHT["ink"])
        axes.set(xlabel="words", ylabel="share")
        axes.legend(frameon=False)
        titled(drawing.figure, "Words of summaries and references")
        quiet_grid(axes, "y")
    note = f"On average {np.mean(ours):.1f} words, and {np.mean(theirs):.1f} in the references."
    return plot_values(drawing.svg, note)


ERRORS = Block(values=_errors, model=ErrorTable, template="error_table.html")
LENGTHS = Block(values=_lengths, model=Plot, template="plot.html")
