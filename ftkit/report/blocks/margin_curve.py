"""The margin between the rewards of chosen and rejected answers over epochs, on validation."""

from __future__ import annotations

from typing import Any

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.curves import lines_curve

_NOTE = (
    "A reward is beta times how much likelier an answer is than before training. Where both fall, the model has come "
    "to like the rejected answers less, and not the chosen ones more."
)


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the curves of margin and rewards; None where validation was not scored while training."""
    metrics = ("reward_margin", "chosen_reward", "rejected_reward")
    svg = lines_curve(content.log_history, metrics, title="Rewards on validation", name="margin-curve")
    return plot_values(svg, _NOTE)


BLOCK = Block(values=_values, model=Plot, template="plot.html", is_half=True)
