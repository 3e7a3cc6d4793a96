"""Accuracy against confidence: whether the model is as sure as it is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import HALF, LIGHT, Drawing, legend_above, quiet_grid, titled
from ftkit.report.texts import percent_text

_NUM_BINS = 10
_FEW_ROWS = 10  # an accuracy of so few rows is mostly chance


def calibration_error(confidences: np.ndarray, is_right: np.ndarray) -> float:
    """Returns the expected calibration error over ten bins of equal width (Guo et al., 2017, equation 3).

    Example: confidences `[0.95, 0.95]`, of which one is right: |0.5 - 0.95| = 0.45.

    Args:
        confidences: probability of each predicted label, (N,).
        is_right: booleans (N,).
    """
    counts, confidence, accuracy = _bins(confidences, is_right)
    return float(counts @ np.abs(confidence - accuracy) / max(counts.sum(), 1))


def _bins(confidences: np.ndarray, is_right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns rows, mean confidence and accuracy of each bin, (10,); zeros where a bin is empty."""
    confidences = np.nan_to_num(confidences.astype(np.float64))
    bins = np.clip((confidences * _NUM_BINS).astype(np.int64), 0, _NUM_BINS - 1)
    counts = np.bincount(bins, minlength=_NUM_BINS)
    sums = [np.bincount(bins, weights=values, minlength=_NUM_BINS) for values in (confidences, is_right)]
    confidence, accuracy = (values / np.maximum(counts, 1) for values in sums)
    return counts, confidence, accuracy


def reliability_diagram(confidences: np.ndarray, is_right: np.ndarray, *, name: str = "reliability") -> str:
    """Draws accuracy against confidence, with the expected calibration error, and where the rows are.

    Args:
        confidences: probability of each predicted label, (N,).
        is_right: booleans (N,).
        name: goes before the ids of the SVG.
    """
    counts, confidence, accuracy = _bins(confidences, is_right)
    error = calibration_error(confidences, is_right)
    many, few = counts >= _FEW_ROWS, (counts > 0) & (counts < _FEW_ROWS)
    with Drawing(name, "Accuracy against confidence", size=(HALF, 3.9)) as drawing:
        upper, lower = drawing.figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        titled(drawing.figure, f"Accuracy against confidence, ECE {error:.3f}")
        upper.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
        upper.plot(confidence[many], accuracy[many], "o-", color=LIGHT["accent"], markersize=5, label="model")
        if few.any():
            label = f"fewer than {_FEW_ROWS} rows"
            upper.plot(confidence[few], accuracy[few], "o", color=LIGHT["accent"], alpha=0.3, label=label)
        upper.set(xlim=(0, 1.02), ylim=(0, 1.04), ylabel="accuracy")
        legend_above(upper)
        quiet_grid(upper)
        lower.bar(
            (np.arange(_NUM_BINS) + 0.5) / _NUM_BINS,
            counts / counts.sum(),
            width=0.09,
            color=LIGHT["accent"],
            alpha=0.5,
        )
        lower.set(xlabel="confidence (probability of the predicted label)", ylabel="share\nof rows", ylim=(0, 1))
        lower.set_yticks([0, 1], ["0", "1"])
        quiet_grid(lower)
    return drawing.svg


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    if split.confidences is None:
        return None
    is_right = split.predictions == split.references
    error = calibration_error(split.confidences, is_right)
    return plot_values(reliability_diagram(split.confidences, is_right), _note(error))


def _note(error: float) -> str:
    return (
        f"Below the dashed line the model is surer than it is right. On average its confidence is off by "
        f"{percent_text(error).removesuffix('%')} points (ECE, expected calibration error)."
    )


BLOCK = Block(values=_values, model=Plot, template="plot.html", is_half=True)
