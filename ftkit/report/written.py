"""What the report tells of written texts: how sure their score is, and which are furthest from what was expected."""

from __future__ import annotations

import functools

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.tables import MAX_ERROR_ROWS, ErrorRow
from ftkit.report.texts import score_text, shorten

_MAX_TEXT = 400
_NUM_DRAWS = 200  # each draw scores a whole test set; the bounds move by little beyond


def bleu_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> tuple[float, float] | None:
    """Returns the 95% interval of BLEU over sentences drawn anew: percentile bootstrap (Koehn 2004), seeded.

    None unless the BLEU computed here is the one that was reported.
    """
    if value is None or content.primary_metric != "bleu":
        return None
    from ftkit.metrics.translation import sacrebleu_metric

    metric = sacrebleu_metric("bleu", str(content.results.get(f"{split.prefix}_bleu_tokenizer") or "13a"))
    # sacreBLEU's own counts of each sentence: n-gram hits, n-grams and lengths add up.
    counts = np.array(metric._extract_corpus_statistics(list(split.predictions), [list(split.references)]))
    score = functools.partial(_bleu, metric)
    if abs(score(counts.sum(axis=0)) - value) > 1e-6:
        return None
    generator = np.random.default_rng(0)
    draws = [score(counts[generator.integers(len(counts), size=len(counts))].sum(axis=0)) for _ in range(_NUM_DRAWS)]
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _bleu(metric: object, counts: np.ndarray) -> float:
    return float(metric._compute_score_from_stats(counts.tolist()).score)  # type: ignore[attr-defined]


def worst_texts(content: ReportContent, split: EvaluatedSplit) -> tuple[int, list[ErrorRow]]:
    """Returns how many texts are not exactly what was expected, and those with the lowest chrF++."""
    from ftkit.metrics.translation import sacrebleu_metric

    metric = sacrebleu_metric("chrf++")
    wrong = [row for row in range(len(split)) if split.predictions[row] != split.references[row]]
    scores = {
        row: float(metric.sentence_score(split.predictions[row], [split.references[row]]).score) for row in wrong
    }
    worst = sorted(wrong, key=scores.__getitem__)[:MAX_ERROR_ROWS]
    return len(wrong), [_error_row(split, row, scores[row]) for row in worst]


def _error_row(split: EvaluatedSplit, row: int, score: float) -> ErrorRow:
    example = split.split.examples[row]
    return ErrorRow(
        line=example.line,
        id=str(example.id),
        text=shorten(example.source, _MAX_TEXT),
        text_pair=None,
        expected=shorten(split.references[row], _MAX_TEXT),
        predicted=shorten(split.predictions[row], _MAX_TEXT) or "(nothing)",
        weight=score_text(score),
    )
