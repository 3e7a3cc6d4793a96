"""Tokens that were hidden and found again: there is no answer for a row, but losses and hits that add up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ftkit.report.config_text import read_config
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import count_text, percent_text
from ftkit.report.values import ReadingFacts

_STATISTICS = {"perplexity": "loss", "loss": "loss", "accuracy": "num_first", "top_5_accuracy": "num_in_5"}


class TokenFacts(ReadingFacts):
    """What a card says of hidden tokens.

    Attributes:
        hidden: which share of the tokens is hidden.
    """

    hidden: str | None


def _answers(content: ReportContent, split: EvaluatedSplit, row: int) -> tuple[str, str]:
    """Returns the number of hidden tokens of a row, and of those that were found."""
    counts = [split.measures[name][row] for name in ("items", "num_first") if name in split.measures]
    items, found = (count_text(float(count)) for count in (counts if len(counts) == 2 else (0, 0)))
    return f"{items} hidden tokens", f"{found} found"


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    metric = content.primary_metric
    statistic = _STATISTICS.get(metric)
    if value is None or statistic is None or statistic not in split.measures:
        return
    sums, items = split.measures[statistic], split.measures["items"]

    def score(rows: np.ndarray) -> float:
        mean = float(sums[rows].sum() / max(items[rows].sum(), 1.0))
        return math.exp(min(mean, 700.0)) if metric == "perplexity" else mean

    yield from interval_note(metric, bootstrap(score, len(split), reported=value))
    accuracy = content.score(split, "accuracy")
    if accuracy is not None and metric != "accuracy":
        yield f"{percent_text(accuracy)} of {count_text(float(items.sum()))} hidden tokens are found"


def _hidden(content: ReportContent) -> str:
    data = read_config(content.config_yaml).get("data") or {}
    share = f"{float(data.get('mlm_probability', 0.15)):.0%} of the tokens"
    return f"{share}, whole words" if data.get("whole_word_mask") else share


def _facts(content: ReportContent) -> Mapping[str, Any]:
    return {"hidden": _hidden(content)}


READING = Reading(
    answers=_answers,
    notes=_notes,
    subtitle=lambda content: (f"{_hidden(content)} hidden",),
    has_labels=False,
    facts=TokenFacts,
    fact_values=_facts,
    template="tokens.md",
)
