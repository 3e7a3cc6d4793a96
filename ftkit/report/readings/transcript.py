"""Answers that are what was heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftkit.metrics.transcripts import Form, character_edits, word_edits
from ftkit.report.config_text import read_config
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.values import ReadingFacts

_EDITS = {"wer": word_edits, "cer": character_edits}


class TranscriptFacts(ReadingFacts):
    """What a card says of transcripts.

    Attributes:
        signature: how the error rate was computed.
    """

    signature: str | None


def form_of(content: ReportContent) -> Form:
    """Returns the form in which a run compares transcripts."""
    data = read_config(content.config_yaml).get("data") or {}
    found = data.get("normalize")
    return found if found in ("none", "english") else "basic"


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    """Yields the interval of an error rate over recordings drawn anew (Bisani and Ney 2004)."""
    metric = content.primary_metric
    if value is not None and metric in _EDITS:
        counts = _EDITS[metric](list(split.predictions), list(split.references), form_of(content))
        yield from interval_note(metric, bootstrap(counts.rate, len(split), reported=value))


def _signature(content: ReportContent) -> str | None:
    split = content.headline
    return None if split is None else content.results.get(f"{split.prefix}_wer_signature")


def _subtitle(content: ReportContent) -> tuple[str, ...]:
    signature = _signature(content)
    return (f"WER {signature}",) if signature else ()


def _facts(content: ReportContent) -> Mapping[str, Any]:
    return {"signature": _signature(content)}


READING = Reading(
    answers=lambda content, split, row: (str(split.references[row]), str(split.predictions[row])),
    answers_hold_texts=True,
    notes=_notes,
    subtitle=_subtitle,
    has_labels=False,
    facts=TranscriptFacts,
    fact_values=_facts,
    template="transcript.md",
)
