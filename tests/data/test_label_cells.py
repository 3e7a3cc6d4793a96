"""Cells of labels: one name, several names, numbers, zeros and ones; what is none of these is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ftkit.data.cells import Unreadable, WrongCell
from ftkit.data.label_cells import LabelCells

MULTI: Any = "multi_label_classification"
ABC = ("a", "b", "c")


def refused(how: LabelCells, cell: Any) -> str:
    with pytest.raises(WrongCell) as caught:
        how.read(cell)
    return f"{caught.value}; {caught.value.remedy}"


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("pos", "pos"),
        (" pos", " pos"),
        (["pos"], "pos"),
        ("['pos']", "pos"),
        ("[pos]", "[pos]"),  # no list in any notation: a name
        ("('pos',)", "pos"),
        ("(0, 10)", "(0, 10)"),  # an interval
        ("card (lost)", "card (lost)"),
        ("{pos}", "{pos}"),
        ('{"choices": ["pos"]}', "pos"),
        ({"choices": ["pos"]}, "pos"),
        ([], None),
        ([None], None),
        ("[]", None),
        (math.nan, None),
        (1, "1"),
        (3.5, "3.5"),
        (False, "false"),
        (np.int64(2), "2"),
        (np.array([2]), "2"),
    ],
)
def test_one_name(cell: Any, label: str | None) -> None:
    if cell == [None]:
        assert "empty item" in refused(LabelCells(), cell)
    else:
        assert LabelCells().read(cell) == label


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            ["pos", "neg"],
            "names several labels, and a row has one: ['pos', 'neg']; keep one; if rows have",
        ),
        ("['pos', 'neg']", "names several labels"),
        ("{'pos', 'neg'}", "names several labels, and a row has one: ['pos', 'neg']"),
        ('{"name": "pos"}', 'holds an object: \'{"name": "pos"}\'; write the name alone'),
        ("{'pos' 'neg'}", "holds what looks like a list"),
        ({"id": 1, "name": "neg"}, "holds an object: {'id': 1, 'name': 'neg'}; write the name alone"),
        (b"pos", "holds bytes: b'pos'; decode"),
        ([["pos"]], "holds a list: ['pos']; write names in one flat list"),
        ([{"name": "pos"}], "holds an object"),
        ("['pos' 'neg']", "holds what looks like a list, but is none in JSON or Python"),
        ([1, 0, 1], "holds 3 zeros and ones, and nothing says which labels they stand for"),
        pytest.param("9" * 20_000, "holds a name of more than 1,000 characters: '9999", id="name"),
        pytest.param(10**5000, "holds a number of more than 4,300 digits", id="number"),
        (Unreadable("holds the class 7", "correct it"), "holds the class 7; correct it"),
    ],
)
def test_what_is_not_one_name(cell: Any, message: str) -> None:
    assert message in refused(LabelCells(), cell)


def test_what_is_listed_as_a_name_is_that_name() -> None:
    how = LabelCells(declared=("['pos']", "[0, 10]"))
    assert [how.read(cell) for cell in how.declared or ()] == ["['pos']", "[0, 10]"]
    assert LabelCells(MULTI, declared=("a, b", "c")).read("a, b") == ("a, b",)
    assert LabelCells(MULTI, declared=("0", "1")).read([0, 1]) == ("0", "1")
    assert LabelCells(MULTI, declared=("0", "1")).read("1") == ("1",)


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (["b", "a", "b", ""], ("b", "a")),
        ("b, a", ("b", "a")),
        ("['b', 'a']", ("b", "a")),
        ('["b"]', ("b",)),
        ("[]", ()),
        ("('b', 'a')", ("b", "a")),
        ("{'b', 'a'}", ("b", "a")),
        ('{"choices": ["b", "a"]}', ("b", "a")),
        (None, ()),
        (math.nan, ()),
        ([7, 12], ("7", "12")),
        ([True], ("true",)),
    ],
)
def test_several_names(cell: Any, names: tuple[str, ...]) -> None:
    assert LabelCells(MULTI).read(cell) == names


@pytest.mark.parametrize(
    "cell", [[1, 0, 1], [1.0, 0.0, 1.0], [True, False, True], "[1, 0, 1]", "(1, 0, 1)", "1, 0, 1"]
)
def test_zeros_and_ones_stand_for_the_declared_names(cell: Any) -> None:
    assert LabelCells(MULTI, declared=ABC).read(cell) == ("a", "c")
    assert "data.labels: [sports, politics]" in refused(LabelCells(MULTI), cell)
    assert "but data.labels has 2 names" in refused(LabelCells(MULTI, declared=("a", "b")), cell)


def test_one_hot_rows_of_a_single_label() -> None:
    assert LabelCells(declared=ABC).read([0, 1, 0]) == "b"
    assert LabelCells(declared=ABC).read([0, 0, 0]) is None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (["a", None], "holds an empty item: ['a', None]"),
        (["a", math.nan], "holds an empty item"),
        (["a", ["b"]], "holds a list: ['b']"),
        ([0.3, 0.7], "holds fractions where names are expected: [0.3, 0.7]"),
        ("[0 1 0]", "holds what looks like a list"),
        ("{'a': 1, 'b': 0}", "holds an object"),
    ],
)
def test_what_is_not_several_names(cell: Any, message: str) -> None:
    assert message in refused(LabelCells(MULTI), cell)


def test_numbers() -> None:
    how = LabelCells("regression")
    assert [how.read(cell) for cell in ("2.5", [3], None, "", np.float32(0.5))] == [
        2.5,
        3.0,
        None,
        None,
        0.5,
    ]
    assert math.isnan(how.read(math.nan))  # type: ignore[arg-type]
    assert [how.read(cell) for cell in ("much", "9" * 20_000, 10**400)] == ["much", math.inf, math.inf]
    assert "holds a list: [1, 2]; write one number" in refused(how, [1, 2])


@pytest.mark.parametrize("yes", [1, 1.0, True, "1", "1.0", "True", " true "])
def test_a_column_for_each_label(yes: Any) -> None:
    how = LabelCells(MULTI, columns=("a", "b"))
    assert how.read_columns({"a": 0, "b": yes}) == ("b",)
    with pytest.raises(WrongCell, match="hold 2 ones, and a row has one label"):
        LabelCells(columns=("a", "b")).read_columns({"a": yes, "b": yes})


@pytest.mark.parametrize(
    ("cell", "message"), [("-1", "holds something else than 0 or 1: '-1'"), (None, "holds neither")]
)
def test_a_column_is_yes_or_no(cell: Any, message: str) -> None:
    with pytest.raises(WrongCell, match=message) as caught:
        LabelCells(MULTI, columns=("a", "b")).read_columns({"a": 0, "b": cell})
    assert caught.value.column == "b"
