"""Which labels are taken for which: a matrix, or with many labels the most confused pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import MAX_BARS, Plot, bars, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import LIGHT, WIDE, Drawing, label_text, titled
from ftkit.report.texts import count_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_MATRIX_LABELS = 30
_MATRIX_NOTE = (
    "Counts of rows: blue is right, orange is wrong. The fuller the colour, the larger the share of the rows with "
    "that expected label."
)


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
    num_labels = len(label_names)
    codes = split.references.astype(np.int64) * num_labels + split.predictions
    counts = np.bincount(codes, minlength=num_labels**2).reshape(num_labels, num_labels)
    return matrix_plot(counts, label_names, f"Expected against predicted label, rows of {split.name}", name=name)


def matrix_plot(counts: np.ndarray, label_names: tuple[str, ...], title: str, *, name: str = "confusion") -> str:
    """Draws counts (L, L), of expected labels in rows and predicted ones in columns.

    Args:
        label_names: in output order.
        name: goes before the ids of the SVG.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    num_labels = len(label_names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(WIDE, 2.6 + 0.5 * num_labels)
    with Drawing(name, f"Confusion matrix of {num_labels} labels", size=(side, side * 0.82)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, title)
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
    return bars(
        name,
        f"Most confused pairs of {split.name}: expected → predicted",
        [f"{label_text(pair.expected)} → {label_text(pair.predicted)}" for pair in pairs],
        [float(pair.count) for pair in pairs],
        [f"{pair.count:,} of {pair.support:,}" for pair in pairs],
        xlabel="rows (of all rows with the expected label)",
        color=LIGHT["error"],
        width=WIDE,
    )


@dataclass(frozen=True)
class ConfusedPair:
    """A label that was taken for another, `count` times of the `support` rows that have it."""

    expected: str
    predicted: str
    count: int
    support: int


def confused_pairs(split: EvaluatedSplit, label_names: tuple[str, ...], limit: int) -> list[ConfusedPair]:
    """Returns the most frequent confusions of single labels; of equals, in label order.

    Args:
        split: with label ids (N,).
        label_names: in output order.
        limit: the most pairs to return.
    """
    wrong = split.predictions != split.references
    codes = split.references[wrong].astype(np.int64) * len(label_names) + split.predictions[wrong]
    pairs, counts = np.unique(codes, return_counts=True)
    support = np.bincount(split.references, minlength=len(label_names))
    order = np.argsort(-counts, kind="stable")[:limit]
    return [
        ConfusedPair(label_names[expected], label_names[predicted], int(count), int(support[expected]))
        for (expected, predicted), count in zip(
            (divmod(int(code), len(label_names)) for code in pairs[order]), counts[order], strict=True
        )
    ]


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    is_matrix = len(content.label_names) <= MAX_MATRIX_LABELS
    return plot_values(confusion_plot(split, content.label_names), _MATRIX_NOTE if is_matrix else "")


BLOCK = Block(values=_values, model=Plot, template="confusion.html")
