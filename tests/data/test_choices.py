from typing import Any

import pytest

from ftkit.data.cells import WrongCell
from ftkit.data.choices import AnswerForm, Choices, answer_of, choices_of, position_of
from ftkit.types import CandidatesExample

TWO = ("a cat", "a dog")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (["a cat", "a dog"], None),
        ('["a cat", "a dog"]', None),
        ("['a cat', 'a dog']", None),
        ({"text": ["a cat", "a dog"], "label": ["A", "B"]}, ("A", "B")),
        ('{"text": ["a cat", "a dog"], "label": [1, 2]}', ("1", "2")),
        ({"A": "a cat", "B": "a dog"}, ("A", "B")),
        ([{"label": "x", "text": "a cat"}, {"label": "y", "text": "a dog"}], ("x", "y")),
        ([{"text": "a cat"}, {"text": "a dog"}], None),
    ],
)
def test_lists_of_choices(cell: Any, names: Any) -> None:
    assert choices_of(cell) == Choices(TWO, names)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("a cat", "expected a list of texts"),
        (None, "expected a list of texts"),
        ([["a"], ["b", "c"]], "holds a list"),
        ({"text": ["a", "b"], "label": ["A"]}, "has 2 texts and 1 names"),
    ],
)
def test_what_is_no_list_of_choices(cell: Any, message: str) -> None:
    with pytest.raises(WrongCell, match=message):
        choices_of(cell)


@pytest.mark.parametrize(
    ("cell", "answer"), [(0, "0"), (1.0, "1"), ("B", "B"), ("", None), (None, None), (["C"], "C")]
)
def test_answers_are_kept_as_written(cell: Any, answer: Any) -> None:
    assert answer_of(cell) == answer


@pytest.mark.parametrize(
    ("answer", "form", "position"),
    [
        ("1", "index", 1),
        ("1", "number", 0),
        ("0", "number", None),
        ("2", "index", None),
        ("b", "letter", 1),
        ("(B)", "letter", 1),
        ("C", "letter", None),
        ("BA", "letter", None),
        ("a dog", "text", 1),
        ("A dog", "text", None),
        ("2", "name", 1),
        ("3", "name", None),
        ("9" * 5_000, "index", None),
        ("²", "index", None),
    ],
)
def test_an_answer_in_one_form(answer: str, form: AnswerForm, position: int | None) -> None:
    assert position_of(CandidatesExample(0, "who?", TWO, answer=answer, names=("1", "2")), form) == position
