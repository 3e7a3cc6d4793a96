"""What a model answers to some rows, for people to read beside what was expected."""

from __future__ import annotations

from typing import Any

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import MAX_ERROR_ROWS, ErrorRow, ErrorTable, shown_example
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import score_text, shorten, source_name

_MAX_TEXT = 400


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    """Returns the first answers in the order of the file, each with its chrF++; None where nothing was answered."""
    from ftkit.metrics.translation import sacrebleu_metric

    if not len(split.predictions):
        return None
    metric = sacrebleu_metric("chrf++")
    shown = list(zip(split.predicted_examples, split.predictions, split.references, strict=True))[:MAX_ERROR_ROWS]
    rows = [
        ErrorRow(
            **shown_example(content, example, limit=_MAX_TEXT),
            expected=shorten(expected, _MAX_TEXT),
            predicted=shorten(written, _MAX_TEXT) or "(nothing)",
            weight=score_text(float(metric.sentence_score(written, [expected]).score)),
        )
        for example, written, expected in shown
    ]
    caption = (
        f"{len(rows)} of {len(split):,} rows, the same in every run. chrF++ tells how near the words are, not whether "
        f"an answer is right. Lines are those of {source_name(split.split.source)}; long texts are cut."
    )
    return {"title": "What it answers", "weight_title": "chrF++", "caption": caption, "rows": rows}


BLOCK = Block(values=_values, model=ErrorTable, template="error_table.html")
