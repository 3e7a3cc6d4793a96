"""Cells of multiple-choice files: lists of choices, and the many ways in which files say which one is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from ftkit.data.cells import WrongCell, list_of, name_or_number, plain, printed_value, text_of
from ftkit.types import CandidatesExample

AnswerForm = Literal["name", "text", "letter", "index", "number"]
"""How a file says which choice is right: by the name that the row itself gives it, by its text, as a letter from A, as
an index from 0, or as a number from 1."""

ANSWER_FORMS: tuple[AnswerForm, ...] = get_args(AnswerForm)

_MOST_DIGITS = 6  # of a position in a list

_TEXT_KEYS, _NAME_KEYS = ("text", "texts", "choice", "para"), ("label", "labels", "name", "key")


class Choices(NamedTuple):
    """The choices of a row, and what the row calls them."""

    texts: tuple[str, ...]
    names: tuple[str, ...] | None = None


def choices_of(cell: Any) -> Choices:
    """Returns the choices in a cell.

    Example: `["a cat", "a dog"]`, `{"text": ["a cat", "a dog"], "label": ["A", "B"]}`, `{"A": "a cat", "B": "a dog"}`
    and `[{"label": "A", "text": "a cat"}, {"label": "B", "text": "a dog"}]` give the same two texts, the latter three
    with the names A and B.

    Raises:
        WrongCell: it holds no list of texts.
    """
    cell = plain(cell)
    if isinstance(cell, str):
        cell = printed_value(cell) or cell
    if isinstance(cell, Mapping):
        return _of_object(cell)
    items = list_of(cell, "texts")
    if items and all(isinstance(item, Mapping) for item in items):
        texts, names = ([_first(item, keys) for item in items] for keys in (_TEXT_KEYS, _NAME_KEYS))
        return Choices(_texts(texts), None if None in names else _texts(names))
    return Choices(_texts(items))


def _of_object(cell: Mapping[str, Any]) -> Choices:
    texts, names = _first(cell, _TEXT_KEYS), _first(cell, _NAME_KEYS)
    if isinstance(plain(texts), (list, tuple)):
        found = _texts(plain(texts))
        named = None if names is None else _texts(plain(names))
        if named is not None and len(named) != len(found):
            raise WrongCell(
                f"has {len(found)} texts and {len(named)} names", "give each choice one of each", cell=cell
            )
        return Choices(found, named)
    return Choices(_texts(list(cell.values())), tuple(map(str, cell)))


def _first(cell: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((cell[key] for key in keys if cell.get(key) is not None), None)


def _texts(items: Any) -> tuple[str, ...]:
    return tuple(text_of(item) for item in items)


def answer_of(cell: Any) -> str | None:
    """Returns what a cell says of the right choice, as text; None where it is empty.

    Raises:
        WrongCell: it holds an object or several texts.
    """
    found = name_or_number(cell)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return None if found is None or found == "" else str(found)


def position_of(example: CandidatesExample, form: AnswerForm) -> int | None:
    """Returns the position of the right choice, from 0, if the answer is one in this form; else None.

    Example: of three choices the answer "2" is the last as an index, and the second as a number.
    """
    answer = example.answer
    if answer is None:
        return None
    if form in ("name", "text"):
        among = example.names if form == "name" else example.candidates
        return among.index(answer) if among is not None and among.count(answer) == 1 else None
    if form == "letter":
        letter = answer.strip().strip("().").upper()
        position = ord(letter) - ord("A") if len(letter) == 1 else -1
    else:
        is_number = answer.isascii() and answer.isdecimal() and len(answer) <= _MOST_DIGITS
        position = int(answer) - (form == "number") if is_number else -1
    return position if 0 <= position < len(example.candidates) else None
