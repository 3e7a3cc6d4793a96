"""Answers that are summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ftkit.metrics.rouge import KEYS, References, rouge
from ftkit.metrics.translation import texts_of
from ftkit.report.config_text import read_config
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import percent_text
from ftkit.report.values import ReadingFacts


class SummaryFacts(ReadingFacts):
    """What a card says of summaries.

    Attributes:
        rouge_signature: how ROUGE was computed.
        novel: the share of pairs of words that are not in the text, as a text.
    """

    rouge_signature: str | None
    novel: str | None


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    if value is not None and metric in KEYS:
        data = read_config(content.config_yaml).get("data") or {}
        how: References = "mean" if data.get("rouge_references") == "mean" else "max"
        pairs = zip(split.predictions, split.references, strict=True)
        scores = np.array([getattr(rouge(text, texts_of(ours), how), metric) for text, ours in pairs])
        yield from interval_note(
            metric, bootstrap(lambda rows: float(scores[rows].mean()), len(split), reported=value)
        )


def _signature(content: ReportContent) -> str | None:
    split = content.headline
    return None if split is None else content.results.get(f"{split.prefix}_rouge_signature")


def _facts(content: ReportContent) -> Mapping[str, Any]:
    split = content.headline
    novel = None if split is None else number(content.results.get(f"{split.prefix}_novel_bigrams"))
    return {"rouge_signature": _signature(content), "novel": None if novel is None else percent_text(novel)}


def _subtitle(content: ReportContent) -> tuple[str, ...]:
    signature = _signature(content)
    return (f"ROUGE {signature}",) if signature else ()


READING = Reading(
    answers=lambda content, split, row: (" / ".join(texts_of(split.references[row])), str(split.predictions[row])),
    answers_hold_texts=True,
    notes=_notes,
    subtitle=_subtitle,
    has_labels=False,
    facts=SummaryFacts,
    fact_values=_facts,
    template="summary.md",
)
