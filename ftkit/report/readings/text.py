"""Answers that are texts which the model writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftkit.metrics.translation import texts_of
from ftkit.report.config_text import read_config
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import Interval, bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.values import ReadingFacts

_NUM_DRAWS = 200  # each draw scores a whole test set; the bounds move by little beyond


class TextFacts(ReadingFacts):
    """What a card says of written texts.

    Attributes:
        direction: source and target language of a translation, as the run spells them.
        bleu_signature: how BLEU was computed, as sacreBLEU writes it.
    """

    direction: tuple[str, str] | None
    bleu_signature: str | None


def bleu_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Interval | None:
    """Returns the 95% interval of BLEU over sentences drawn anew (Koehn 2004), or None where no sound one is known."""
    if value is None or content.primary_metric != "bleu":
        return None
    from ftkit.metrics.translation import reference_streams, sacrebleu_metric

    metric: Any = sacrebleu_metric("bleu", str(content.results.get(f"{split.prefix}_bleu_tokenizer") or "13a"))
    # sacreBLEU's own counts of each sentence: n-gram hits, n-grams and lengths add up.
    counts = np.array(metric._extract_corpus_statistics(list(split.predictions), reference_streams(split.references)))

    def score(rows: np.ndarray) -> float:
        return float(metric._compute_score_from_stats(counts[rows].sum(axis=0).tolist()).score)

    return bootstrap(score, len(split), reported=value, num_draws=_NUM_DRAWS)


def _signature(content: ReportContent) -> str | None:
    split = content.headline
    return None if split is None else content.results.get(f"{split.prefix}_bleu_signature")


def _facts(content: ReportContent) -> Mapping[str, Any]:
    data = read_config(content.config_yaml).get("data") or {}
    direction = [data.get("source_lang"), data.get("target_lang")]
    return {"direction": direction if all(direction) else None, "bleu_signature": _signature(content)}


def _subtitle(content: ReportContent) -> tuple[str, ...]:
    signature = _signature(content)
    return (f"BLEU {signature}",) if signature else ()


READING = Reading(
    answers=lambda content, split, row: (" / ".join(texts_of(split.references[row])), str(split.predictions[row])),
    answers_hold_texts=True,
    notes=lambda content, split, value: interval_note(content.primary_metric, bleu_interval(content, split, value)),
    subtitle=_subtitle,
    has_labels=False,
    facts=TextFacts,
    fact_values=_facts,
    template="text.md",
)
