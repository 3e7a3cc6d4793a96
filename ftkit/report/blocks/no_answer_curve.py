"""F1 over the threshold of no answer, on the rows that it was chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.metrics.answers import gains, score_answer, words_of_language
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.readings.answer import answer_language
from ftkit.report.svg import HALF, LIGHT, Drawing, legend_above, quiet_grid, titled
from ftkit.types import PredictedAnswer

NUM_POINTS = 100  # as fine as a plot shows


def f1_curve(
    answers: Sequence[PredictedAnswer], references: Sequence[Sequence[str]], words: Any
) -> list[tuple[float, float]]:
    """Returns pairs of a threshold and the F1 of answering where the probability of no answer is not above it.

    Example: two questions, one without an answer, probabilities 0.2 and 0.7, the first answered rightly: F1 is 0.5 at
    0, 1 at 0.2 and 0.5 at 0.7.

    Args:
        words: what cuts an answer into what is compared.
    """
    pairs = zip(answers, references, strict=True)
    f1 = [score_answer(answer.best, texts, words, version=2).f1 for answer, texts in pairs]
    has_answer = [bool(texts) for texts in references]
    added = np.array(gains(f1, [bool(answer.best) for answer in answers], has_answer))
    probabilities = np.array([answer.no_answer for answer in answers])
    order = np.argsort(probabilities, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(added[order])]) + has_answer.count(False)
    thresholds = np.concatenate([[0.0], probabilities[order]])
    last = np.append(thresholds[1:] != thresholds[:-1], True)  # of equal probabilities all are answered
    thresholds, sums = thresholds[last], sums[last] / len(answers)
    shown = np.unique(np.linspace(0, len(sums) - 1, min(NUM_POINTS, len(sums)), dtype=np.int64))
    shown = np.union1d(shown, [int(sums.argmax())])
    return [(float(thresholds[place]), float(sums[place])) for place in shown]


def curve_plot(
    curve: Sequence[tuple[float, float]], threshold: float, split_name: str, *, name: str = "no-answer"
) -> str | None:
    """Draws a curve as steps, with a line at the threshold that is used.

    Args:
        curve: pairs of threshold and F1.
        split_name: for the title.
        name: goes before the ids of the SVG.
    """
    if len(curve) < 2:
        return None
    with Drawing(name, "F1 over the threshold of no answer", size=(HALF, 3.2)) as drawing:
        axes = drawing.figure.add_subplot()
        titled(drawing.figure, f"F1 over the threshold of no answer, on {split_name}")
        axes.step(*zip(*curve, strict=True), where="post", color=LIGHT["accent"], label="F1")
        axes.axvline(threshold, color=LIGHT["error"], linewidth=1, linestyle=(0, (4, 3)), label="in use")
        axes.set(xlim=(0, 1), xlabel="no answer above this probability", ylabel="F1")
        legend_above(axes)
        quiet_grid(axes, "both")
    return drawing.svg


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the curve of validation, where the threshold comes from; without one that of the split."""
    threshold = number(content.results.get("no_answer_threshold"))
    if threshold is None:
        return None
    chosen = next((other for other in content.evaluated if other.name == "validation"), split)
    if all(chosen.references):
        return None
    curve = f1_curve(list(chosen.predictions), list(chosen.references), words_of_language(answer_language(content)))
    note = f"The run answers up to a probability of no answer of {threshold:.4g}."
    return plot_values(curve_plot(curve, threshold, chosen.name), note)


BLOCK = Block(values=_values, model=Plot, template="plot.html", is_half=True)
