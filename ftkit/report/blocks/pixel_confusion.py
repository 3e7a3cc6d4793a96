"""Which classes pixels are taken for: a matrix, or with many classes the most confused pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.confusion import matrix_plot
from ftkit.report.blocks.plot import MAX_BARS, Plot, bars, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import LIGHT, WIDE, label_text

_NOTE = (
    "Counts of pixels: blue is right, orange is wrong. The fuller the colour, the larger the share of the pixels of "
    "that true class."
)


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    matrix = content.results.get(f"{split.prefix}_confusion_matrix")
    if matrix:
        title = f"True against predicted class, pixels of {split.name}"
        return plot_values(matrix_plot(np.asarray(matrix), content.label_names, title, name="pixels"), _NOTE)
    pairs = (content.results.get(f"{split.prefix}_confused_pairs") or [])[:MAX_BARS]
    if not pairs:
        return None
    plot = bars(
        "pixels",
        f"Most confused classes of {split.name}: true → predicted",
        [f"{label_text(expected)} → {label_text(predicted)}" for expected, predicted, _ in pairs],
        [float(count) for *_, count in pairs],
        [f"{count:,}" for *_, count in pairs],
        xlabel="pixels",
        color=LIGHT["error"],
        width=WIDE,
    )
    return plot_values(plot)


BLOCK = Block(values=_values, model=Plot, template="plot.html")
