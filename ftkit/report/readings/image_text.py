"""Answers that are written about images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ftkit.metrics.normalized_answers import normalized
from ftkit.metrics.translation import texts_of
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.texts import headline_text, score_text
from ftkit.report.values import ReadingFacts

_SIGNED = ("exact_match", "bleu", "chrf++")


class ImageTextFacts(ReadingFacts):
    """What a card says of texts about images.

    Attributes:
        signature: how the scores were computed.
        question_alone: the score of the most frequent answer to each question, as a text.
    """

    signature: str | None
    question_alone: str | None


def _notes(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Iterator[str]:
    blank = number(content.results.get(f"{split.prefix}_blank_images_{content.primary_metric}"))
    if blank is not None:
        yield f"with blank images {headline_text(content.primary_metric, blank)}, on a sample"
    if value is not None and content.primary_metric == "exact_match":
        pairs = zip(split.predictions, split.references, strict=True)
        right = np.array([normalized(text) in set(map(normalized, texts_of(ours))) for text, ours in pairs])
        yield f"{int(right.sum()):,} of {len(split):,} rows are right"
        yield from interval_note(
            "exact_match", bootstrap(lambda rows: float(right[rows].mean()), len(split), reported=value)
        )


def _signatures(content: ReportContent) -> tuple[str, ...]:
    split = content.headline
    if split is None:
        return ()
    found = ((name, content.results.get(f"{split.prefix}_{name}_signature")) for name in _SIGNED)
    return tuple(f"{name} {signature}" for name, signature in found if signature)


def _facts(content: ReportContent) -> Mapping[str, Any]:
    split = content.headline
    alone = None if split is None else number(content.results.get(f"{split.prefix}_baseline_question"))
    return {
        "signature": ", ".join(_signatures(content)) or None,
        "question_alone": None if alone is None else score_text(alone),
    }


READING = Reading(
    answers=lambda content, split, row: (
        " / ".join(dict.fromkeys(texts_of(split.references[row]))),
        str(split.predictions[row]),
    ),
    answers_hold_texts=True,
    notes=_notes,
    subtitle=_signatures,
    has_labels=False,
    facts=ImageTextFacts,
    fact_values=_facts,
    template="image_text.md",
)
