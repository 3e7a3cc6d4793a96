"""F1 of each label as bars, the lowest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import MAX_BARS, Plot, bars, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.readings.reading import find_reading
from ftkit.report.svg import HALF, LIGHT, label_text


def label_f1_bars(
    per_label: Mapping[str, Mapping[str, Any]], split_name: str, *, units: str = "rows", name: str = "labels"
) -> str | None:
    """Draws F1 of each label that the split holds, lowest first; of many labels the 25 lowest.

    Args:
        per_label: name -> `f1`, `support`.
        split_name: for the title.
        units: what `support` counts.
        name: goes before the ids of the SVG.
    """
    values = [(number(row.get("f1")) or 0.0, label, int(row.get("support") or 0)) for label, row in per_label.items()]
    present = sorted((row for row in values if row[2]), key=lambda row: row[0])
    if not present:
        return None
    shown = present[:MAX_BARS]
    which = f"the {len(shown)} lowest of {len(present):,} labels" if len(shown) < len(present) else "lowest first"
    return bars(
        name,
        f"F1 by label on {split_name}, {which}",
        [f"{label_text(label, 24)}  ({support:,})" for _, label, support in shown],
        [f1 for f1, _, _ in shown],
        [f"{f1:.3f}" for f1, _, _ in shown],
        xlabel=f"F1; in brackets the {units} with the label",
        color=LIGHT["accent"],
        width=HALF,
        limit=1.0,
    )


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    units = find_reading(content.reading).units
    return plot_values(label_f1_bars(content.per_label(split), split.name, units=units))


BLOCK = Block(values=_values, model=Plot, template="plot.html", is_half=True)
