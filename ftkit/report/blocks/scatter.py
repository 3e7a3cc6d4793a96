"""Predicted against true numbers."""

from __future__ import annotations

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit
from ftkit.report.svg import HALF, LIGHT, Drawing, legend_above, quiet_grid, titled

MAX_POINTS = 2000


def scatter_plot(split: EvaluatedSplit, *, name: str = "scatter") -> str | None:
    """Draws predicted against true numbers; of many rows a random, seeded sample.

    Args:
        split: with numbers (N,).
        name: goes before the ids of the SVG.
    """
    finite = np.flatnonzero(np.isfinite(split.predictions) & np.isfinite(split.references))
    if not len(finite):
        return None
    shown = finite
    if len(finite) > MAX_POINTS:
        shown = np.sort(np.random.default_rng(0).choice(finite, MAX_POINTS, replace=False))
    sample = (
        f"{MAX_POINTS:,} of {len(split):,} rows, drawn at random"
        if len(shown) < len(finite)
        else f"{len(shown):,} rows"
    )
    true, predicted = split.references[shown], split.predictions[shown]
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    with Drawing(name, "Predicted against true value", size=(HALF, 4.2)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, f"Predicted against true value on {split.name}\n({sample})")
        axes.plot([low, high], [low, high], color=LIGHT["muted"], linewidth=1, linestyle=(0, (4, 3)), label="equal")
        alpha = float(np.clip(60 / np.sqrt(len(shown) + 1) / 3, 0.2, 0.8))
        axes.plot(true, predicted, "o", color=LIGHT["accent"], alpha=alpha, markersize=4, markeredgewidth=0)
        axes.set(xlabel="true value", ylabel="predicted value")
        legend_above(axes)
        quiet_grid(axes, "both")
    return drawing.svg


BLOCK = Block(
    values=lambda content, split: plot_values(scatter_plot(split)), model=Plot, template="plot.html", is_half=True
)
