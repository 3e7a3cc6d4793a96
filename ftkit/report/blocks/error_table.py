"""What the tables of rows that went wrong share: their values, bounded in number and length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.reading import find_reading
from ftkit.report.texts import MAX_LABEL, MAX_TEXT, shorten, source_name
from ftkit.report.usage.usage import find_usage
from ftkit.report.values import BlockValues

MAX_ERROR_ROWS = 20


@dataclass(frozen=True)
class ErrorRow:
    """One row of the data that the model got wrong.

    Attributes:
        id: as text; id, expected and predicted are None where the users' texts are left out.
        texts: what a reader sees of the input: a text, or two of a pair; none where they are left out.
        weight: how bad the error is, such as the confidence in a wrong label.
        expected_labels: what of `expected` is no text of the data; None where it is nothing else.
        predicted_labels: the same of `predicted`.
    """

    line: int
    id: str | None
    texts: tuple[str, ...]
    expected: str | None
    predicted: str | None
    weight: str
    expected_labels: str | None = None
    predicted_labels: str | None = None

    def without_texts(self) -> ErrorRow:
        """Returns the row with its line, weight and labels alone."""
        return replace(self, id=None, texts=(), expected=self.expected_labels, predicted=self.predicted_labels)


class ErrorTable(BlockValues):
    """The worst errors.

    Attributes:
        weight_title: what the errors are sorted by.
        expected_title: what stands above what was expected.
        predicted_title: likewise above what was predicted.
    """

    title: str
    weight_title: str
    expected_title: str = "Expected"
    predicted_title: str = "Predicted"
    caption: str
    rows: tuple[ErrorRow, ...]

    def without_texts(self) -> ErrorTable:
        """Returns the table with lines, weights and labels alone."""
        return self.model_copy(update={"rows": tuple(row.without_texts() for row in self.rows)})


def error_table(
    split: EvaluatedSplit, *, title: str, weight_title: str, num_errors: int, rows: Sequence[ErrorRow], units: str
) -> dict[str, Any]:
    """Returns the values of an error table.

    Args:
        num_errors: of how many errors `rows` are the worst.
        units: what is counted, such as `wrong rows`.
    """
    source = source_name(split.split.source)
    caption = f"{len(rows)} of {num_errors:,} {units}. Lines are those of {source}; long texts are cut."
    return {"title": title, "weight_title": weight_title, "caption": caption, "rows": rows}


def error_rows(
    content: ReportContent, split: EvaluatedSplit, weights: np.ndarray, *, weight_text: Callable[[float], str]
) -> list[ErrorRow]:
    """Returns the rows of the largest weights, with the answers as the content's reading writes them.

    Args:
        weights: how bad each row is (N,); -1 where it is right.
    """
    answers = find_reading(content.reading).answers
    rows = []
    for row in worst_rows(weights):
        expected, predicted = answers(content, split, row)
        rows.append(
            ErrorRow(
                **shown_example(content, split.split.examples[row]),
                expected=expected,
                predicted=predicted,
                weight=weight_text(float(weights[row])),
                expected_labels=expected,
                predicted_labels=predicted,
            )
        )
    return rows


def worst_rows(weights: np.ndarray) -> list[int]:
    """Returns the numbers of the rows of the largest weights; of equals in file order, so that reports are equal.

    Example: the weights `[-1, 0.6, 0.9]` give the rows `[2, 1]`.

    Args:
        weights: how bad each row is (N,); -1 where it is right.
    """
    order = np.argsort(-weights, kind="stable")[:MAX_ERROR_ROWS]
    return [int(row) for row in order if weights[row] >= 0]


def shown_example(content: ReportContent, example: Any, *, limit: int = MAX_TEXT) -> dict[str, Any]:
    """Returns line, id and texts of an example, shortened."""
    quotes = find_usage(content.recipe.usage).quotes(example)
    texts = tuple(shorten(quote, limit) for quote in quotes)
    return {"line": example.line, "id": shorten(example.id, MAX_LABEL), "texts": texts}
