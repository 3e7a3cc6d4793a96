"""The curves of a training run: functions that return SVG text, or None with nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ftkit.report.content import number
from ftkit.report.svg import HALF, LIGHT, Drawing, legend_above, quiet_grid, titled
from ftkit.report.texts import metric_name, score_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Sequence[Mapping[str, float]]

_MAX_POINTS = 1000


def training_curve(history: History, *, best_epoch: float | None = None, name: str = "training") -> str | None:
    """Draws the training loss, raw and smoothed, the validation loss, and the learning rate below.

    Args:
        history: the trainer's log history.
        best_epoch: marked by a line.
        name: goes before the ids of the SVG.
    """
    epochs, losses = _series(history, "loss")
    eval_epochs, eval_losses = _series(history, "eval_loss")
    if not len(epochs) and not len(eval_epochs):
        return None
    with Drawing(name, "Training and validation loss over epochs", size=(HALF, 3.5)) as drawing:
        upper, lower = drawing.figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        titled(drawing.figure, "Loss while training")
        if len(epochs):
            upper.plot(epochs, losses, color=LIGHT["accent"], alpha=0.4, linewidth=1)
            upper.plot(epochs, _smooth(losses), color=LIGHT["accent"], label="train, smoothed")
        if len(eval_epochs):
            upper.plot(eval_epochs, eval_losses, "o-", color=LIGHT["error"], markersize=4.5, label="validation")
        _mark_best(upper, best_epoch)
        upper.set_ylabel("loss")
        upper.set_ylim(bottom=0 if min([*losses, *eval_losses]) >= 0 else None)
        legend_above(upper)
        quiet_grid(upper)
        _learning_rate_panel(lower, history)
    return drawing.svg


def _learning_rate_panel(axes: Axes, history: History) -> None:
    epochs, rates = _series(history, "learning_rate")
    axes.plot(epochs, rates, color=LIGHT["muted"], linewidth=1.2)
    axes.set_ylabel("learning\nrate")
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    if len(rates):
        axes.set_yticks([0, rates.max()], ["0", f"{rates.max():.1e}"])
    quiet_grid(axes)


def metric_curve(
    history: History, metric: str, *, best_epoch: float | None = None, name: str = "metric"
) -> str | None:
    """Draws a metric on validation over epochs, with its best value.

    Args:
        history: the trainer's log history.
        metric: key without prefix, such as `f1_macro`.
        best_epoch: the epoch whose point is marked.
        name: goes before the ids of the SVG.
    """
    epochs, values = _series(history, f"eval_{metric}")
    if not len(epochs):
        return None
    title = f"{metric_name(metric)} on validation"
    with Drawing(name, f"{title} over epochs", size=(HALF, 3.5)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, title)
        axes.plot(epochs, values, "o-", color=LIGHT["accent"], markersize=4.5)
        axes.margins(x=0.06, y=0.16)
        if best_epoch is not None and best_epoch in epochs:
            _mark_best(axes, best_epoch)
            best = float(values[np.flatnonzero(epochs == best_epoch)[0]])
            axes.plot([best_epoch], [best], "o", color=LIGHT["good"], markersize=8)
            in_right_half = best_epoch > (epochs[0] + epochs[-1]) / 2
            axes.annotate(
                score_text(best),
                (best_epoch, best),
                xytext=(-9 if in_right_half else 9, 8 if best > values.mean() else -15),
                textcoords="offset points",
                ha="right" if in_right_half else "left",
                color=LIGHT["good"],
                fontweight="bold",
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric_name(metric))
        axes.locator_params(axis="x", integer=bool(np.ptp(epochs) >= 1), nbins=8)
        quiet_grid(axes)
    return drawing.svg


def lines_curve(history: History, metrics: Sequence[str], *, title: str, name: str) -> str | None:
    """Draws metrics of one unit on validation over epochs; None where they were not scored twice.

    Args:
        history: the trainer's log history.
        metrics: keys without prefix, such as `reward_margin`.
        name: goes before the ids of the SVG.
    """
    found = [(metric, *_series(history, f"eval_{metric}")) for metric in metrics]
    if any(len(epochs) < 2 for _, epochs, _ in found):
        return None
    colors = (LIGHT["accent"], LIGHT["good"], LIGHT["error"])
    with Drawing(name, f"{title} over epochs", size=(HALF, 3.5)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, title)
        axes.axhline(0, color=LIGHT["muted"], linewidth=0.8)
        for (metric, epochs, values), color in zip(found, colors, strict=False):
            axes.plot(epochs, values, "o-", color=color, markersize=4, label=metric_name(metric))
        axes.set_xlabel("epoch")
        legend_above(axes)
        quiet_grid(axes)
    return drawing.svg


def _mark_best(axes: Axes, best_epoch: float | None) -> None:
    if best_epoch is None:
        return
    axes.axvline(
        best_epoch,
        color=LIGHT["good"],
        linewidth=1.2,
        linestyle=(0, (3, 2)),
        label=f"best epoch: {best_epoch:g}",
        zorder=1,
    )


def _series(history: History, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns epochs and finite values of a key; long runs are averaged into at most a thousand points."""
    pairs = [(number(entry.get("epoch")), number(entry.get(key))) for entry in history]
    points = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
    if len(points) > _MAX_POINTS:
        points = np.array([part.mean(axis=0) for part in np.array_split(points, _MAX_POINTS)])
    return points[:, 0], points[:, 1]


def _smooth(values: np.ndarray) -> np.ndarray:
    """Returns a centred moving mean over a tenth of the run; at the ends over what is there."""
    half = max(1, len(values) // 20)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)
