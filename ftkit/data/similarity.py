"""Texts that are compared: pairs with a score, pairs that belong together, triplets; and the columns they stand in."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ftkit.data.cells import WrongCell, describe, list_of, plain, text_of
from ftkit.data.problems import Problems
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError, name_list
from ftkit.types import CellError, Split

SimilarityForm = Literal["scored-pairs", "pairs", "triplets"]
"""What a row says: how alike two texts are; that two belong together; and, beside these, what does not."""


@dataclass(frozen=True, slots=True)
class SimilarityExample:
    """Texts to be compared, or one text alone to be embedded.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        text: a sentence, an anchor or a query; None where a row holds the second text alone.
        text_pair: what it is compared with; None where the row is one text.
        negatives: texts that are less like `text` than `text_pair` is.
        score: how alike the two are, in the file's own range or, once this is known, from 0 to 1; None where rows say
            nothing of it.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its document.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    text: str | None
    text_pair: str | None = None
    negatives: tuple[str, ...] = ()
    score: float | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The role and the text of all that is embedded, in order; a negative stands in the place of `text_pair`."""
        named = (("text", self.text), ("text_pair", self.text_pair))
        return [(role, text) for role, text in named if text is not None] + [
            ("text_pair", text) for text in self.negatives
        ]

    @property
    def size(self) -> int:
        """How long all that is read is, in characters."""
        return sum(len(text) for _, text in self.texts)

    def key(self) -> Hashable:
        """Returns the texts."""
        return self.text, self.text_pair, self.negatives

    def summary(self) -> str:
        """Returns the texts in one line."""
        return " | ".join(" ".join(text.split()) for _, text in self.texts)


# --- columns ------------------------------------------------------------------------------------------------

_PAIRS = (
    *(("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("sentence_A", "sentence_B")),
    *(("sentence_a", "sentence_b"), ("text1", "text2"), ("text_1", "text_2"), ("text", "text_pair")),
    *(("anchor", "positive"), ("query", "positive"), ("query", "document"), ("query", "answer")),
    *(("question", "answer"), ("0", "1")),
)
_SCORES = ("score", "similarity_score", "similarity", "relatedness_score", "label", "labels")
_NEGATIVE = re.compile(r"negatives?(_?\d+)?")
_NONE: tuple[str, ...] = ()
_THIRD = "2"
"""The third column of a file without a header: a score where it is a number, else a negative."""


@dataclass(frozen=True)
class SimilarityColumns:
    """Which columns of a file hold what.

    Attributes:
        form: what its rows say.
        negatives: the columns of triplets that hold what is less alike, a text or a list of texts each.
    """

    form: SimilarityForm
    text: str
    text_pair: str
    score: str | None = None
    negatives: tuple[str, ...] = ()

    def told(self, table: Table) -> str:
        """Returns it in words: `scored pairs: 'sentence1' and 'sentence2' with 'score'`."""
        more = "" if self.score is None else f" with {self.score!r}"
        less = f", less alike: {name_list(self.negatives)}" if self.negatives else ""
        found = f"{self.form.replace('-', ' ')}: {self.text!r} and {self.text_pair!r}{more}{less}"
        row = next(iter(table.rows), None)
        numbers = [name for name in table.columns if row is not None and _is_number(row.values.get(name))]
        numbers = [name for name in numbers if name not in (self.text, self.text_pair)]
        if self.form != "pairs" or not numbers:
            return found
        return f"{found}; if {numbers[0]!r} is how alike they are, say data.columns.score: {numbers[0]}"


def find_columns(
    table: Table, given: Mapping[str, str | tuple[str, ...]], form: SimilarityForm | None
) -> SimilarityColumns:
    """Returns which columns of a file hold texts, scores and negatives.

    Args:
        given: role -> column, or columns of negatives, as far as the user says it.
        form: what rows say, if the user says it.

    Raises:
        DataError: a column is not there, or the texts are in none that is known.
    """
    text, text_pair = _text_columns(table, given)
    negatives = given.get("negatives", ())
    negatives = (negatives,) if isinstance(negatives, str) else negatives
    score = given.get("score")
    assert not isinstance(score, tuple)
    for role, names in (("score", () if score is None else (score,)), ("negatives", negatives)):
        for name in names:
            if name not in table.columns:
                raise table.missing_column(name, role=role)
    if score is None and form in (None, "scored-pairs"):
        score = next((name for name in _SCORES if name in table.columns and name not in (text, text_pair)), None)
    if not negatives and form in (None, "triplets"):
        negatives = tuple(name for name in table.columns if _NEGATIVE.fullmatch(name) and name != text_pair)
    if score is None and not negatives and _THIRD in table.columns and table.columns[:2] == (text, text_pair):
        score, negatives = (_THIRD, ()) if _is_number(_first_cell(table, _THIRD)) else (None, (_THIRD,))
    found: SimilarityForm = form or ("triplets" if negatives else "scored-pairs" if score is not None else "pairs")
    if found == "scored-pairs" and score is None:
        raise _lacks(table, "scored-pairs", "score", "a number for each pair")
    if found == "triplets" and not negatives:
        raise _lacks(table, "triplets", "negatives", "texts that are less alike")
    return SimilarityColumns(
        found,
        text,
        text_pair,
        score if found == "scored-pairs" else None,
        tuple(negatives) if found == "triplets" else (),
    )


def _text_columns(table: Table, given: Mapping[str, str | tuple[str, ...]]) -> tuple[str, str]:
    said = {role: given[role] for role in ("text", "text_pair") if role in given}
    for role, column in said.items():
        if column not in table.columns:
            raise table.missing_column(str(column), role=role)
    for pair in _PAIRS:
        named = {**dict(zip(("text", "text_pair"), pair, strict=True)), **said}
        if named["text"] != named["text_pair"] and set(named.values()) <= set(table.columns):
            return str(named["text"]), str(named["text_pair"])
    fix = "name them: data.columns: {text: COLUMN, text_pair: COLUMN}"
    if table.hint:  # no header that names columns
        fix = (
            "data.header: false; the first two columns are the texts then, unless data.columns says others, such as {"
        )
        fix += "text: 1, text_pair: 2}"
    raise DataError(
        f"{table.source}: the columns {name_list(table.columns)} are none that are known to hold two texts, such as "
        f"'sentence1' and 'sentence2' or 'anchor' and 'positive'. {table.hint.partition(' Fix:')[0]}".rstrip()
        + f"\nFix: {fix}."
    )


def _lacks(table: Table, form: str, role: str, what: str) -> DataError:
    return DataError(
        f"{table.source}: data.format is {form}, but no column holds {what}; the columns are "
        f"{name_list(table.columns)}.\nFix: name it: data.columns.{role}, or leave data.format out."
    )


def _first_cell(table: Table, column: str) -> Any:
    row = next(iter(table.rows), None)
    return None if row is None else row.values.get(column)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


# --- cells --------------------------------------------------------------------------------------------------


def score_of(cell: Any) -> float | None:
    """Returns the number of a cell; None where it is empty.

    Raises:
        WrongCell: it holds something else than a finite number.
    """
    cell = plain(cell)
    if cell is None or cell == "":
        return None
    try:
        number = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        raise WrongCell(
            f"{describe(cell)}, and a score is a number",
            "write a number such as 3.5, delete the row, or name the column of scores: data.columns.score",
            cell=cell,
        ) from None
    if not math.isfinite(number):
        raise WrongCell(
            "holds a score that is no finite number", "write a number such as 3.5, or delete the row", cell=cell
        )
    return number


def negatives_of(cells: RowCells, columns: Sequence[str]) -> tuple[str, ...]:
    """Returns the texts of the columns of negatives; an empty cell holds none."""
    by_role = RowCells(cells.cells, {column: column for column in columns})
    return tuple(itertools.chain.from_iterable(by_role.read(column, _texts, _NONE) for column in columns))


def _texts(cell: Any) -> tuple[str, ...]:
    """Returns the texts of a list, or one text alone."""
    cell = plain(cell)
    if cell is None or cell == "":
        return ()
    if isinstance(cell, str) and not cell.lstrip().startswith("["):
        return (cell,)
    return tuple(map(text_of, list_of(cell, "texts")))


def normalized(example: SimilarityExample, low: float, high: float) -> SimilarityExample:
    """Returns an example whose score lies from 0 to 1.

    Example: 3.5 of a range from 0 to 5 is 0.7.
    """
    if example.score is None:
        return example
    return dataclasses.replace(example, score=(example.score - low) / (high - low))


def found_range(scores: list[float]) -> tuple[float, float]:
    """Returns the range that scores seem to have: 0 to 1, -1 to 1, or else whole numbers around them.

    Example: scores from 0.2 to 4.8 give 0 and 5; from 1 to 5, as annotators give them, 1 and 5.
    """
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= -1 and high <= 1:
        return -1.0, 1.0
    return (float(low // 1) if low < 0 or low >= 1 else 0.0), float(math.ceil(high))


def check_range(split: Split, low: float, high: float, problems: Problems) -> None:
    """Reports scores outside of the range."""
    for example in split.examples:
        if example.score is not None and not low <= example.score <= high:
            problems.error(
                f"{split.name}: the score {example.score:g} lies outside of data.score_range, {low:g} to {high:g}",
                where=split.where(example),
                remedy="correct the score, or the range",
                kind=f"{split.name}: score outside of the range",
            )
