"""How the errors of numbers are spread."""

from __future__ import annotations

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit
from ftkit.report.svg import HALF, LIGHT, Drawing, quiet_grid, titled


def error_histogram(split: EvaluatedSplit, *, name: str = "errors") -> str | None:
    """Draws how the errors of numbers are spread: predicted minus true value.

    Args:
        split: with numbers (N,).
        name: goes before the ids of the SVG.
    """
    errors = split.predictions.astype(np.float64) - split.references
    errors = errors[np.isfinite(errors)]
    if not len(errors):
        return None
    counts, edges = np.histogram(errors, bins=min(40, max(5, int(np.sqrt(len(errors))))))
    with Drawing(name, "Distribution of errors", size=(HALF, 4.2)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(
            drawing.figure,
            f"Errors on {split.name}: mean {errors.mean():+.3g}, median size {np.median(abs(errors)):.3g}",
        )
        axes.bar(edges[:-1], counts, width=0.92 * np.diff(edges), align="edge", color=LIGHT["accent"], alpha=0.85)
        axes.axvline(0, color=LIGHT["ink"], linewidth=1)
        axes.set(xlabel="predicted minus true value", ylabel="rows")
        quiet_grid(axes)
    return drawing.svg


BLOCK = Block(
    values=lambda content, split: plot_values(error_histogram(split)), model=Plot, template="plot.html", is_half=True
)
