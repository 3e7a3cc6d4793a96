"""Precision of boxes over their recall: how many of those that are there are found before false ones come along."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.metrics.detection import precision_at_recalls
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import HALF, LIGHT, Drawing, label_text, legend_above, quiet_grid, titled

OVERLAPS = (0.5, 0.75)
MOST_LABELS = 12  # more thin lines tell nothing


def precision_recall_plot(
    recalls_R: np.ndarray, precisions_TRL: np.ndarray, names: tuple[str, ...], *, name: str = "precision-recall"
) -> str:
    """Draws the mean over labels at both overlaps, and a thin line for each label at the lower one.

    Args:
        precisions_TRL: NaN for labels without a box to be found; see `precision_at_recalls`.
        names: the labels.
        name: goes before the ids of the SVG.
    """
    there = np.flatnonzero(~np.isnan(precisions_TRL[0, 0]))
    with Drawing(name, "Precision of boxes over recall", size=(HALF, 3.4)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, "Precision over recall")
        for label in there if 1 < len(there) <= MOST_LABELS else ():
            curve_R = precisions_TRL[0, :, label]
            axes.plot(recalls_R, curve_R, color=LIGHT["muted"], linewidth=0.8, alpha=0.7)
            last = int(np.flatnonzero(curve_R)[-1]) if curve_R.any() else 0
            axes.annotate(label_text(names[label], 16), (recalls_R[last], curve_R[last]), xytext=(2, 2),
                          textcoords="offset points", fontsize=7.5, color=LIGHT["muted"])  # fmt: skip
        for overlap, values_RL, color in zip(OVERLAPS, precisions_TRL, ("accent", "error"), strict=True):
            axes.plot(recalls_R, values_RL[:, there].mean(axis=1), color=LIGHT[color], label=f"overlap {overlap:g}")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04), xlabel="recall", ylabel="precision")
        legend_above(axes)
        quiet_grid(axes, "both")
    return drawing.svg


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the curves of a split; None where there is no box to be found."""
    names = tuple(content.label_names)
    recalls_R, precisions_TRL = precision_at_recalls(
        list(split.predictions), list(split.references), len(names), overlaps=OVERLAPS
    )
    if np.isnan(precisions_TRL[0, 0]).all():
        return None
    return plot_values(precision_recall_plot(recalls_R, precisions_TRL, names), _NOTE)


_NOTE = (
    "A prediction is right where it overlaps a box of its label by 0.5 or 0.75 (intersection over union). Thick lines "
    "are the mean over labels, thin ones the labels at 0.5; the area under a line is its average precision. A line "
    "that drops to 0 early means boxes that are not found at any score."
)

BLOCK = Block(values=_values, model=Plot, template="plot.html", is_half=True)
