"""What blocks that are one drawing share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.svg import LIGHT, Drawing, quiet_grid, titled
from ftkit.report.values import BlockValues, Svg

MAX_BARS = 25


class Plot(BlockValues):
    """A drawing, and a sentence that helps to read it."""

    svg: Svg
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether what was saved is no drawing."""
        return self.svg is None


def plot_values(svg: str | None, note: str = "") -> dict[str, Any] | None:
    """Returns the values of a drawing; None where nothing was drawn."""
    return None if svg is None else {"svg": svg, "note": note}


def bars(
    name: str,
    title: str,
    labels: list[str],
    values: list[float],
    notes: list[str],
    *,
    xlabel: str,
    color: str,
    width: float,
    limit: float | None = None,
) -> str:
    """Draws horizontal bars from top to bottom, with a note at the end of each.

    Args:
        name: goes before the ids of the SVG.
        labels: one a bar, as are `values` and `notes`.
        width: in inches.
        limit: the largest value there can be.
    """
    with Drawing(name, title, size=(width, 1.0 + 0.235 * max(len(labels), 3))) as drawing:
        axes = drawing.figure.add_subplot()
        axes.barh(range(len(labels)), values, height=0.68, color=color, alpha=0.85)
        for row, (value, note) in enumerate(zip(values, notes, strict=True)):
            axes.annotate(note, (value, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(labels)), labels, color=LIGHT["ink"])
        axes.set(ylim=(len(labels) - 0.4, -0.6), xlabel=xlabel)
        axes.set_xlim(0, 1.16 * (limit or max(values)))
        if limit:
            axes.set_xticks(np.linspace(0, limit, 6))
        titled(drawing.figure, title)
        quiet_grid(axes, "x")
    return drawing.svg
