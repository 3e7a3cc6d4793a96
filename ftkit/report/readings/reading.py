"""What a form of answer says of itself: how an answer is written, how sure its score is, what a card says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.intervals import Interval
from ftkit.report.named import load
from ftkit.report.table import READINGS
from ftkit.report.texts import headline_text
from ftkit.report.values import ReadingFacts


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One form of answer in words. Whatever else a kind shows of its predictions is a block.

    Attributes:
        answers: a row of a split -> what was expected and what was predicted, as texts.
        answers_hold_texts: whether these hold texts of the data, not labels and numbers alone.
        notes: the value of the primary metric -> sentences that put it into proportion, such as its interval.
        subtitle: what stands behind the task's name on the page.
        conditions: what a score depends on, in the card's headline: `strict IOB2`; empty where that is its name alone.
        has_labels: whether the model's outputs have names that mean something.
        units: what the scores of a label count: rows, or entities.
        facts: the model of what the card's template reads beside the card.
        fact_values: content -> the values of these facts.
        template: of the card, which says what the answers are and what their limits are.
    """

    answers: Callable[[ReportContent, EvaluatedSplit, int], tuple[str, str]]
    answers_hold_texts: bool = False
    notes: Callable[[ReportContent, EvaluatedSplit, float | None], Iterable[str]]
    subtitle: Callable[[ReportContent], Iterable[str]]
    conditions: Callable[[ReportContent, EvaluatedSplit], str] = lambda content, split: ""
    has_labels: bool = True
    units: str = "rows"
    facts: type[ReadingFacts] = ReadingFacts
    fact_values: Callable[[ReportContent], Mapping[str, Any]] = lambda content: {}
    template: str


def find_reading(name: str) -> Reading:
    """Returns a way of telling predictions by its name.

    Raises:
        FtkitError: there is none of that name.
    """
    return cast("Reading", load(READINGS, name, noun="reading"))


def named_labels(content: ReportContent) -> tuple[str, ...]:
    """Returns the names of the model's outputs; none where the names mean nothing."""
    return content.label_names if find_reading(content.reading).has_labels else ()


def interval_note(metric: str, bounds: Interval | None) -> Iterator[str]:
    """Yields the sentence on an interval, if there is one."""
    if bounds is not None:
        yield f"95% interval {headline_text(metric, bounds[0])} to {headline_text(metric, bounds[1])}"


def right_rows_note(split: EvaluatedSplit, metric: str, value: float | None) -> Iterator[str]:
    """Yields how many rows an accuracy is."""
    if metric == "accuracy" and value is not None:
        yield f"{round(value * len(split)):,} of {len(split):,} rows are right"
