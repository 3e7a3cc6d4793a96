"""The plots of a split's predictions: functions that return SVG text, or None with nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.report.content import EvaluatedSplit, number
from ftkit.report.svg import HALF, LIGHT, WIDE, Drawing, label_text, legend_above, quiet_grid, titled
from ftkit.report.tables import confused_pairs
from ftkit.report.texts import count_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_MATRIX_LABELS = 30
MAX_BARS = 25
MAX_POINTS = 2000
_NUM_BINS = 10
_FEW_ROWS = 10  # an accuracy of so few rows is mostly chance


def confusion_plot(split: EvaluatedSplit, label_names: tuple[str, ...], *, name: str = "confusion") -> str | None:
    """Draws the confusion matrix with counts; above 30 labels the most confused pairs.

    Args:
        split: with label ids (N,).
        label_names: in output order.
        name: goes before the ids of the SVG.
    """
    if len(label_names) > MAX_MATRIX_LABELS:
        return _pair_bars(split, label_names, name)
    return _matrix(split, label_names, name)


def _matrix(split: EvaluatedSplit, label_names: tuple[str, ...], name: str) -> str:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    num_labels = len(label_names)
    codes = split.references.astype(np.int64) * num_labels + split.predictions
    counts = np.bincount(codes, minlength=num_labels**2).reshape(num_labels, num_labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(WIDE, 2.6 + 0.5 * num_labels)
    with Drawing(name, f"Confusion matrix of {num_labels} labels", size=(side, side * 0.82)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, f"Expected against predicted label, rows of {split.name}")
        cells, colors, alphas = [], [], []
        for row, column in zip(*np.nonzero(counts), strict=True):
            cells.append(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94))
            colors.append(LIGHT["accent" if row == column else "error"])
            alphas.append(0.12 + 0.88 * shares[row, column])
            is_dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                count_text(counts[row, column]),
                ha="center",
                va="center",
                color=LIGHT["onfill" if is_dark else "ink"],
                fontsize=_cell_font(side, num_labels, int(counts.max())),
            )
        axes.add_collection(PatchCollection(cells, facecolors=colors, alpha=alphas, edgecolors="none"))
        _matrix_axes(axes, label_names)
    return drawing.svg


def _cell_font(side: float, num_labels: int, largest: int) -> float:
    """Returns the font size, in points, at which the largest count fits its cell."""
    cell = 0.7 * side * 72 / num_labels  # the axes take about 0.7 of the drawing
    return float(np.clip(0.85 * cell / (0.62 * max(2, len(f"{largest:,}"))), 4.5, 10.0))


def _matrix_axes(axes: Axes, label_names: tuple[str, ...]) -> None:
    num_labels = len(label_names)
    names = [label_text(name) for name in label_names]
    size = 9.0 if num_labels <= 15 else 7.0
    is_tight = max(len(name) for name in names) * num_labels > 45
    axes.set_xticks(range(num_labels), names, fontsize=size, color=LIGHT["ink"])
    axes.tick_params(axis="x", rotation=45 if is_tight else 0)
    if is_tight:
        for tick in axes.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(num_labels), names, fontsize=size, color=LIGHT["ink"])
    axes.set(xlim=(-0.5, num_labels - 0.5), ylim=(num_labels - 0.5, -0.5), xlabel="predicted", ylabel="expected")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _pair_bars(split: EvaluatedSplit, label_names: tuple[str, ...], name: str) -> str | None:
    pairs = confused_pairs(split, label_names, MAX_BARS)
    if not pairs:
        return None
    return _bars(
        name,
        f"Most confused pairs of {split.name}: expected → predicted",
        [f"{label_text(pair.expected)} → {label_text(pair.predicted)}" for pair in pairs],
        [float(pair.count) for pair in pairs],
        [f"{pair.count:,} of {pair.support:,}" for pair in pairs],
        xlabel="rows (of all rows with the expected label)",
        color=LIGHT["error"],
        width=WIDE,
    )


def label_f1_bars(per_label: Mapping[str, Mapping[str, Any]], split_name: str, *, name: str = "labels") -> str | None:
    """Draws F1 of each label that the split holds, lowest first; of many labels the 25 lowest.

    Args:
        per_label: name -> `f1`, `support`.
        split_name: for the title.
        name: goes before the ids of the SVG.
    """
    values = [(number(row.get("f1")) or 0.0, label, int(row.get("support") or 0)) for label, row in per_label.items()]
    present = sorted((row for row in values if row[2]), key=lambda row: row[0])
    if not present:
        return None
    shown = present[:MAX_BARS]
    which = f"the {len(shown)} lowest of {len(present):,} labels" if len(shown) < len(present) else "lowest first"
    return _bars(
        name,
        f"F1 by label on {split_name}, {which}",
        [f"{label_text(label, 24)}  ({support:,})" for _, label, support in shown],
        [f1 for f1, _, _ in shown],
        [f"{f1:.3f}" for f1, _, _ in shown],
        xlabel="F1; in brackets the rows with the label",
        color=LIGHT["accent"],
        width=HALF,
        limit=1.0,
    )


def _bars(
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
    """Draws horizontal bars from top to bottom, with a note at the end of each."""
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


# --- confidence and numbers ---------------------------------------------------------------------------------


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
