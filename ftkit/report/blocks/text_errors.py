"""The written texts that are furthest from the expected ones."""

from __future__ import annotations

from typing import Any

from ftkit.metrics.translation import texts_of
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import MAX_ERROR_ROWS, ErrorRow, ErrorTable, error_table, shown_example
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import score_text, shorten

_MAX_TEXT = 400


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    """Returns the texts with the lowest chrF++ among those that are not exactly what was expected."""
    from ftkit.metrics.translation import sacrebleu_metric

    metric = sacrebleu_metric("chrf++")
    scores = {
        row: float(metric.sentence_score(predicted, texts_of(expected)).score)
        for row, (predicted, expected) in enumerate(zip(split.predictions, split.references, strict=True))
        if predicted not in texts_of(expected)
    }
    worst = sorted(scores, key=scores.__getitem__)[:MAX_ERROR_ROWS]
    return error_table(
        split,
        title="Texts furthest from the expected ones",
        weight_title="chrF++",
        num_errors=len(scores),
        units="wrong rows",
        rows=[_error_row(content, split, row, scores[row]) for row in worst],
    )


def _error_row(content: ReportContent, split: EvaluatedSplit, row: int, score: float) -> ErrorRow:
    return ErrorRow(
        **shown_example(content, split.split.examples[row], limit=_MAX_TEXT),
        expected=shorten(" / ".join(texts_of(split.references[row])), _MAX_TEXT),
        predicted=shorten(split.predictions[row], _MAX_TEXT) or "(nothing)",
        weight=score_text(score),
    )


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
