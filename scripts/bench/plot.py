"""Bars of all comparisons, one panel each, with the range over the repeats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from measure import Outcome, spread
from table import figures_of

OURS, OTHERS = "#2f6f9f", "#b8b8b8"


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Writes the plot as an image."""
    from matplotlib.figure import Figure

    heights = [len(outcome.benchmark.variants) + 1.5 for outcome in outcomes]
    figure = Figure(figsize=(8, 0.45 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(outcomes), squeeze=False, height_ratios=heights)[:, 0]
    for panel, outcome in zip(panels, outcomes, strict=True):
        _draw_panel(panel, outcome)
    figure.savefig(path, dpi=150)


def _draw_panel(panel, outcome: Outcome) -> None:
    figures, name = figures_of(outcome), "rate" if outcome.benchmark.work else "seconds"
    variants = outcome.benchmark.variants[::-1]  # the axis runs upwards
    spreads = [spread(figures[variant.name][name]) for variant in variants]
    panel.barh(
        [variant.title for variant in variants],
        [found.median for found in spreads],
        xerr=[[found.median - found.low for found in spreads], [found.high - found.median for found in spreads]],
        color=[OURS if variant.name.startswith("ftkit") else OTHERS for variant in variants],
        ecolor="#404040",
        capsize=3,
    )
    panel.set_title(outcome.benchmark.title, loc="left", fontsize=10)
    panel.set_xlabel("texts per second; more is better" if name == "rate" else "seconds; less is better", fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
