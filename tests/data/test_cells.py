"""Values become texts, identities and lists, or are refused; printed lists are read without running anything."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ftkit.data.cells import Unreadable, WrongCell, list_of, name_or_number, printed_list, shown, text_of


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("rain", "rain"),
        ("['it', 'broke']", "['it', 'broke']"),  # what is a text in the file stays that text
        (None, ""),
        (math.nan, ""),
        ([], ""),
        (["rain"], "rain"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "True"),
        (Decimal("1.50"), "1.50"),
        (datetime.date(2024, 1, 31), "2024-01-31"),
        (np.str_("rain"), "rain"),
        (np.array(["rain"]), "rain"),
    ],
)
def test_texts(cell: Any, text: str) -> None:
    assert text_of(cell) == text


@pytest.mark.parametrize(
    ("cell", "message", "remedy"),
    [
        (["it", "broke"], "holds a list: ['it', 'broke']", '" ".join(words)'),
        (np.array(["it", "broke"]), "holds a list: ['it', 'broke']", "join"),
        ([["it"]], "holds a list", "join"),
        ({"id": 1}, "holds an object: {'id': 1}", "prepare"),
        (b"rain", "holds bytes: b'rain'", "decode"),
        ({"a"}, "holds a value of type set: {'a'}", "prepare"),
        pytest.param(10**5000, "holds a number of more than 4,300 digits", "which column", id="digits"),
        (Unreadable("holds the class 7", "correct it"), "holds the class 7", "correct it"),
    ],
)
def test_what_is_no_text(cell: Any, message: str, remedy: str) -> None:
    with pytest.raises(WrongCell) as caught:
        text_of(cell)
    assert message in str(caught.value)
    assert remedy in caught.value.remedy


def test_ids_keep_their_type() -> None:
    assert [name_or_number(cell) for cell in ("a", 7, ["a"], None, math.nan)] == ["a", 7, "a", None, None]
    assert name_or_number(datetime.date(2024, 1, 31)) == "2024-01-31"
    with pytest.raises(WrongCell, match="holds a list"):
        name_or_number(["a", "b"])


def test_lists() -> None:
    assert list_of(["a", 5], "words") == ("a", 5)
    assert list_of("['a', 'b']", "words") == ("a", "b")
    assert list_of(np.array([1, 2]), "words") == (1, 2)
    with pytest.raises(WrongCell, match="holds a text; expected a list of words: 'a b'"):
        list_of("a b", "words")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', 'b']", ["a", "b"]),
        (' ["a", null]', ["a", None]),
        ("[0, 1, 0]", [0, 1, 0]),
        ("['it\\'s', \"a\\d\"]", ["it's", "a\\d"]),
        ("[]", []),
        ("['a' 'b']", None),  # as NumPy prints: Python would make it one text
        ("[0 1 0]", None),
        ("[a, b]", None),
        ("[1, 2", None),
        ("('a', 'b')", None),
        ("[__import__('os').getcwd()]", None),
        ("[" * 5_000 + "]" * 5_000, None),
        ("[" + "1" * 5_000 + "]", None),
    ],
)
def test_printed_lists(text: str, items: Any) -> None:
    assert printed_list(text) == items


def test_cells_are_shown_in_a_line() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("a" * 1_000)) == 80
    assert "4,300 digits" in shown([10**5000])
