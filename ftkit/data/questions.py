"""Questions on texts, with answers that stand in them: the example, and the cells that hold answers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.data.cells import WrongCell, describe, plain, printed_value, shown, single, text_of
from ftkit.types import CellError

EXAMPLE = '{"text": ["in 1876"], "answer_start": [41]}'

_REMEDY = f"write them like {EXAMPLE}; lists of nothing where the text does not answer the question"


@dataclass(frozen=True, slots=True)
class Answer:
    """A stretch of a text that answers a question.

    Attributes:
        start: where it begins in the text, in characters; None where the row does not say it.
    """

    text: str
    start: int | None = None


@dataclass(frozen=True, slots=True)
class QuestionExample:
    """One question on one text, to be answered by a stretch of it.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        answers: all that are right, the first of them to learn from; empty where the text does not answer the
            question, None when the row is only to be predicted.
        line: where the row begins in its file, for messages; 0 in SQuAD's JSON, where questions are told by id.
        group: what the row shares with others that must stay on one side of a split; by default its text.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    question: str
    context: str
    answers: tuple[Answer, ...] | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """How long it is, in characters."""
        return len(self.question) + len(self.context)

    def key(self) -> Hashable:
        """Returns the question and its text."""
        return self.question, self.context

    def summary(self) -> str:
        """Returns the question."""
        return " ".join(self.question.split())


def read_answers(cell: Any, starts: Any = None) -> tuple[Answer, ...]:
    """Returns the answers in a cell, without those that are empty, each once.

    A cell is an object of lists as the Hub's data sets have it, a list of objects as SQuAD's JSON has it, either of
    them printed into a csv file, or a text, or a list of texts.

    Example: `{"text": ["a", "b"], "answer_start": [3, 9]}` and `[{"text": "a", "answer_start": 3}, {"text": "b",
    "answer_start": 9}]` are two answers with their places; `a` is one whose place is to be found.

    Args:
        starts: cell of a column of its own that says where the answers begin, if there is one.

    Raises:
        WrongCell: it is none of these.
    """
    cell, starts = plain(cell), plain(starts)
    if isinstance(cell, str):
        printed = printed_value(cell) if cell.lstrip()[:1] in ("{", "[") else None
        cell = cell if printed is None or not _holds_answers(printed) else printed
    if isinstance(cell, Mapping):
        if "text" not in cell:
            raise WrongCell("holds an object without 'text'", _REMEDY, cell=cell)
        starts = cell.get("answer_start")
        cell = cell["text"]
    elif isinstance(cell, (list, tuple)) and any(isinstance(item, Mapping) for item in cell):
        return _distinct([answer for item in cell for answer in _from_object(item)])
    texts, starts = _listed(cell), [_start(start) for start in _listed(starts)]
    if starts and len(starts) != len(texts):
        raise WrongCell(
            f"holds {len(texts)} answers and {len(starts)} places", "write one answer_start for each text", cell=cell
        )
    pairs = itertools.zip_longest(map(_text, texts), starts)
    return _distinct([Answer(text, start) for text, start in pairs])


def _holds_answers(printed: Any) -> bool:
    """Tells answers that were printed into a csv file from an answer that stands in brackets."""
    if isinstance(printed, Mapping):
        return "text" in printed
    return all(isinstance(item, str) or (isinstance(item, Mapping) and "text" in item) for item in printed)


def _from_object(item: Any) -> tuple[Answer, ...]:
    if not isinstance(item, Mapping):
        raise WrongCell("mixes answers with other values", _REMEDY, cell=item)
    return read_answers(item)


def _listed(cell: Any) -> Sequence[Any]:
    cell = plain(cell)
    if cell is None:
        return ()
    return tuple(map(plain, cell)) if isinstance(cell, (list, tuple)) else (cell,)


def _text(cell: Any) -> str:
    if isinstance(cell, (list, tuple, Mapping, bytes)):
        raise WrongCell(f"{describe(cell)} in the place of an answer", _REMEDY, cell=cell)
    return text_of(cell)


def _start(cell: Any) -> int | None:
    cell = single(cell)
    if isinstance(cell, str):  # a cell of a csv file
        text = cell.strip()
        cell = None if not text else int(text) if text.removeprefix("-").isdecimal() else cell
    if isinstance(cell, float) and cell.is_integer():  # pandas makes floats of a column with gaps
        cell = int(cell)
    if cell is not None and (not isinstance(cell, int) or isinstance(cell, bool)):
        raise WrongCell(
            f"has the answer_start {shown(cell)}", "write the place of its first character, counted from 0"
        )
    return None if cell is None or cell < 0 else cell


def _distinct(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    return tuple(dict.fromkeys(answer for answer in answers if answer.text.strip()))


def places_of(text: str, context: str) -> list[int]:
    """Returns every place in a context where a text begins, overlapping ones too."""
    places: list[int] = []
    start = context.find(text)
    while start >= 0:
        places.append(start)
        start = context.find(text, start + 1)
    return places


def nearest_place(answer: Answer, context: str) -> int | None:
    """Returns where an answer stands in a context, the place nearest to the one it names; None if nowhere."""
    named = answer.start or 0
    return min(places_of(answer.text, context), key=lambda start: abs(start - named), default=None)


def moved(answer: Answer, start: int) -> Answer:
    """Returns an answer at another place."""
    return dataclasses.replace(answer, start=start)
