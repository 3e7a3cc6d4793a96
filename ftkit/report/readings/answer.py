"""Answers that are stretches of a text, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ftkit.metrics.answers import AnswerScore, score_answer, words_of_language
from ftkit.report.content import EvaluatedSplit, ReportContent, number
from ftkit.report.intervals import Interval, bootstrap
from ftkit.report.readings.reading import Reading, interval_note
from ftkit.report.values import ReadingFacts

NO_ANSWER = "(no answer)"


class AnswerFacts(ReadingFacts):
    """What a card says of answers.

    Attributes:
        no_answer_threshold: from which probability there is no answer; None where there always is one.
        answer_language: whose characters are compared; None for SQuAD's words.
    """

    no_answer_threshold: float | None = None
    answer_language: str | None = None


def row_scores(content: ReportContent, split: EvaluatedSplit) -> list[AnswerScore]:
    """Returns exact match and F1 of each row, from 0 to 1."""
    words = words_of_language(answer_language(content))
    version = 1 if all(split.references) else 2
    pairs = zip(split.predictions, split.references, strict=True)
    return [score_answer(answer.text, texts, words, version=version) for answer, texts in pairs]


def answer_language(content: ReportContent) -> str | None:
    """Returns the language whose characters are compared, if there is one."""
    found = content.results.get("answer_language")
    return None if found is None else str(found)


def score_interval(content: ReportContent, split: EvaluatedSplit, value: float | None) -> Interval | None:
    """Returns the 95% interval of exact match or F1 over questions drawn anew, or None for another metric."""
    if value is None or content.primary_metric not in AnswerScore._fields:
        return None
    scores_N = np.array([getattr(score, content.primary_metric) for score in row_scores(content, split)])
    return bootstrap(lambda rows: float(scores_N[rows].mean()), len(split), reported=value)


def _facts(content: ReportContent) -> Mapping[str, Any]:
    return {
        "no_answer_threshold": number(content.results.get("no_answer_threshold")),
        "answer_language": answer_language(content),
    }


def _subtitle(content: ReportContent) -> tuple[str, ...]:
    language = answer_language(content)
    return () if language is None else (f"answers compared by characters ({language})",)


READING = Reading(
    answers=lambda content, split, row: (
        " / ".join(split.references[row]) or NO_ANSWER,
        split.predictions[row].text or NO_ANSWER,
    ),
    answers_hold_texts=True,
    notes=lambda content, split, value: interval_note(content.primary_metric, score_interval(content, split, value)),
    subtitle=_subtitle,
    has_labels=False,
    facts=AnswerFacts,
    fact_values=_facts,
    template="answer.md",
)
