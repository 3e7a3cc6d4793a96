"""The answers that are furthest from the expected ones."""

from __future__ import annotations

from typing import Any

from ftkit.data.questions import QuestionExample
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import MAX_ERROR_ROWS, ErrorRow, ErrorTable, error_table
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.answer import NO_ANSWER, row_scores
from ftkit.report.texts import MAX_LABEL, MAX_TEXT, score_text, shorten

_AROUND = 120  # characters of the text on each side of an answer


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    """Returns the answers with the lowest F1, and of these the surest, among those that do not match exactly."""
    scores = row_scores(content, split)
    wrong = [row for row, score in enumerate(scores) if score.exact_match < 1]
    surest = split.confidences

    def badness(row: int) -> tuple[float, float]:
        return scores[row].f1, 0.0 if surest is None else -float(surest[row])

    return error_table(
        split,
        title="Answers furthest from the expected ones",
        weight_title="F1",
        num_errors=len(wrong),
        units="answers that do not match exactly",
        rows=[_error_row(split, row, scores[row].f1) for row in sorted(wrong, key=badness)[:MAX_ERROR_ROWS]],
    )


def _error_row(split: EvaluatedSplit, row: int, f1: float) -> ErrorRow:
    example, answer = split.split.examples[row], split.predictions[row]
    return ErrorRow(
        line=example.line,
        id=shorten(example.id, MAX_LABEL),
        texts=(shorten(example.question, MAX_TEXT), passage(example)),
        expected=shorten(" / ".join(split.references[row]) or NO_ANSWER, MAX_TEXT),
        predicted=shorten(answer.text or NO_ANSWER, MAX_TEXT),
        weight=score_text(f1),
    )


def passage(example: QuestionExample) -> str:
    """Returns the part of a text around its first answer; of one without an answer the beginning."""
    answer = example.answers[0] if example.answers else None
    if answer is None or answer.start is None:
        return shorten(example.context, 2 * _AROUND)
    start = max(answer.start - _AROUND, 0)
    stop = min(answer.start + len(answer.text), answer.start + MAX_TEXT) + _AROUND
    inside = " ".join(example.context[start:stop].split())
    return f"{'…' if start else ''}{inside}{'…' if stop < len(example.context) else ''}"


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
