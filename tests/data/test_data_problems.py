import pytest

from ftkit.data.problems import MAX_PROBLEMS, Problems
from ftkit.errors import DataError


def test_nothing_to_raise() -> None:
    problems = Problems()
    problems.warn("careful")
    assert not problems
    problems.raise_if_any()


def test_repeated_problems_are_one_entry_with_count_and_first_places() -> None:
    problems = Problems()
    for line in range(2, 9):
        problems.error("the text is empty", where=f"a.csv, line {line}", remedy="fill it in")
    problems.error("train has one label")
    assert problems
    with pytest.raises(DataError) as caught:
        problems.raise_if_any()
    assert str(caught.value) == (
        "The data has 2 problems:\n"
        "1. the text is empty (7 times)\n"
        "   at a.csv, line 2; a.csv, line 3; a.csv, line 4; a.csv, line 5; a.csv, line 6 (+2 more)\n"
        "   fix: fill it in\n"
        "2. train has one label"
    )


def test_kind_groups_problems_whose_messages_differ() -> None:
    problems = Problems()
    problems.error("label 'x' is not a number", where="line 2", kind="not a number")
    problems.error("label 'y' is not a number", where="line 3", kind="not a number")
    assert problems.errors == ["label 'x' is not a number (2 times)\nat line 2; line 3"]


def test_a_place_is_named_once() -> None:
    problems = Problems()
    for place in "aaabcdefa":
        problems.error("a box lies outside", where=place)
    assert problems.errors == ["a box lies outside (9 times)\nat a; b; c; d; e (+1 more)"]


def test_warnings_are_single_lines() -> None:
    problems = Problems()
    problems.warn("rare label", where="line 2", remedy="add rows")
    assert problems.warnings == ["rare label; at line 2; fix: add rows"]


def test_a_long_list_is_cut() -> None:
    problems = Problems()
    for number in range(MAX_PROBLEMS + 3):
        problems.error(f"problem {number}")
    with pytest.raises(DataError, match=r"has 23 problems:(.|\n)*\n\.\.\. and 3 more$"):
        problems.raise_if_any()
