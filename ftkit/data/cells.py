"""Cells as readers give them -> texts, names, numbers and lists.

A value that is none of these is refused with what to do about it. Nothing becomes a text by being printed: a list, an
object or bytes in a column of texts is a mistake, and `"['it', 'broke']"` is no sentence to learn from.
"""

from __future__ import annotations

import ast
import datetime
import io
import itertools
import json
import math
import tokenize
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

MAX_SHOWN = 80
"""Characters of a cell that a message shows."""

MAX_PRINTED = 1_000_000
"""A text longer than this is no list that somebody meant as labels or words; parsing it would take seconds."""

_TEXTUAL = (str, int, float, Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)
"""Types whose printed form is the value itself."""


class WrongCell(ValueError):
    """A cell does not hold what its column is for.

    Attributes:
        what: what it holds, in words that follow the column's name, such as `holds a list`.
        remedy: what the user can do about it.
        detail: the cell as a message shows it, or why it is wrong; empty where neither would tell anything.
        column: where it is, of labels that are spread over columns.
    """

    def __init__(
        self, what: str, remedy: str, *, cell: Any = None, why: str | None = None, column: str | None = None
    ) -> None:
        """Describes a cell.

        Args:
            cell: to be shown.
            why: what is wrong with it, in place of the cell.
        """
        self.what, self.remedy, self.column = what, remedy, column
        self.detail = why or ("" if cell is None else shown(cell))
        super().__init__(f"{what}: {self.detail}" if self.detail else what)


@dataclass(frozen=True)
class Unreadable:
    """What a reader gives for a cell that has no value, such as a class that its file does not name.

    Attributes:
        what: what it holds, as in `WrongCell`.
        remedy: what the user can do about it.
    """

    what: str
    remedy: str


def shown(cell: Any) -> str:
    """Returns a cell as a message shows it, in one line of at most some 80 characters."""
    try:
        text = repr(cell)
    except ValueError:  # Python refuses to print numbers of more than 4,300 digits
        text = f"a number of {type(cell).__name__} beyond 4,300 digits"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def plain(cell: Any) -> Any:
    """Returns a cell as Python's own value: numbers and arrays of NumPy too, which a task's `prepare` may give.

    Raises:
        WrongCell: its reader found no value in it.
    """
    if isinstance(cell, Unreadable):
        raise WrongCell(cell.what, cell.remedy)
    return cell.tolist() if hasattr(cell, "tolist") else cell


def single(cell: Any) -> Any:
    """Returns what a cell holds, or the only item of a list; None of an empty list and of what is not a number.

    Annotation tools write one label as a list of one; pandas writes a missing text as NaN.
    """
    cell = plain(cell)
    if isinstance(cell, (list, tuple)) and len(cell) < 2:
        cell = plain(cell[0]) if cell else None
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def text_of(cell: Any) -> str:
    """Returns a cell as a text; an empty one where it is missing.

    Raises:
        WrongCell: it holds several texts, an object or bytes.
    """
    cell = single(cell)
    return "" if cell is None else printed(cell, _TEXT_REMEDIES)


def name_or_number(cell: Any) -> str | int | None:
    """Returns a cell that identifies a row or a group: a text, a number as it is, or None where it is missing.

    Raises:
        WrongCell: it holds something else.
    """
    cell = single(cell)
    return cell if cell is None or isinstance(cell, (str, int, float)) else printed(cell, _ID_REMEDIES)  # type: ignore[return-value]


def list_of(cell: Any, what: str) -> tuple[Any, ...]:
    """Returns the items of a list, or of a list that was printed into a cell of a csv file; items are not judged.

    Args:
        what: the items, for messages.

    Raises:
        WrongCell: it is no list.
    """
    cell = plain(cell)
    if isinstance(cell, str) and (found := printed_list(cell)) is not None:
        cell = found
    if not isinstance(cell, (list, tuple)):
        raise WrongCell(f"{describe(cell)}; expected a list of {what}", _list_remedy(cell, what), cell=cell)
    return tuple(map(plain, cell))


def _list_remedy(cell: Any, what: str) -> str:
    if not isinstance(cell, str):
        return f"write a list of {what}"
    if cell.lstrip().startswith("["):
        return "make arrays lists by .tolist() before the file is written, so that it reads ['a', 'b']"
    return f"write a list of {what}, such as cell.split(); where each row is a word, name data.sentence_column"


def printed(cell: Any, remedies: Mapping[str, str]) -> str:
    """Returns what is a text, or has one printed form, as a text.

    Args:
        remedies: `list`, `object` and `bytes` -> what to do about one.

    Raises:
        WrongCell: it is something else.
    """
    if not isinstance(cell, _TEXTUAL):
        sort = _sort_of(cell)
        raise WrongCell(describe(cell), remedies.get(sort, remedies["object"]), cell=cell)
    try:
        return str(cell)
    except ValueError:
        raise WrongCell("holds a number of more than 4,300 digits", "check which column is meant") from None


def describe(cell: Any) -> str:
    """Returns what sort of value a cell holds, such as `holds a list`."""
    if isinstance(cell, (list, tuple)):
        return "holds a list"
    names = {"object": "an object", "bytes": "bytes", "text": "a text", "number": "a number"}
    return f"holds {names.get(_sort_of(cell), f'a value of type {type(cell).__name__}')}"


def _sort_of(cell: Any) -> str:
    if isinstance(cell, Mapping):
        return "object"
    if isinstance(cell, (list, tuple)):
        return "list"
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return "bytes"
    return "text" if isinstance(cell, str) else "number" if isinstance(cell, (int, float, Decimal)) else ""


_PREPARE = "or let a task's `prepare` take it out (docs/own_task.md)"
_TEXT_REMEDIES = {
    "list": f'write one text in a row, such as " ".join(words), {_PREPARE}',
    "object": f"name the column that holds the text itself, {_PREPARE}",
    "bytes": 'decode them, such as cell.decode("utf-8"), before the file is written',
}
_ID_REMEDIES = dict.fromkeys(("list", "object", "bytes"), "name a column of texts or numbers")


# --- lists that were printed into a text ----------------------------------------------------------------------


def printed_list(text: str) -> list[Any] | None:
    """Returns the list that a text is in JSON or Python, as pandas prints lists into csv; None if it is none.

    Nothing of the text is run. NumPy prints arrays without commas, where Python would join two texts into one: such a
    text is no list.

    Example: `['a', 'b']` and `["a", "b"]` give a list of two texts, `[0, 1]` one of two numbers; `['a' 'b']` None.
    """
    return printed_value(text) if text.lstrip().startswith("[") else None  # type: ignore[return-value]


def printed_value(text: str) -> list[Any] | dict[Any, Any] | None:
    """Returns the list or object that a text is in JSON or Python; tuples and sets are lists, in the order written.

    Example: `{'a', 'b'}` and `('a', 'b')` give a list of two texts, `{"choices": ["a"]}` an object; `(a)` None.
    """
    text = text.strip()
    if _BRACKETS.get(text[:1]) != text[-1:] or len(text) > MAX_PRINTED:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _python_value(text)


_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def _python_value(text: str) -> list[Any] | dict[Any, Any] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as \d, which stay as they are
            value = ast.parse(text, mode="eval").body
            if isinstance(value, (ast.List, ast.Tuple, ast.Set)):  # a set has its order in the text alone
                found: Any = [ast.literal_eval(item) for item in value.elts]
            else:
                found = ast.literal_eval(value)
        tokens = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    joins_texts = any(pair == (tokenize.STRING, tokenize.STRING) for pair in itertools.pairwise(tokens))
    return found if isinstance(found, (list, dict)) and not joins_texts else None
