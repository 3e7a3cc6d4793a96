from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.data.split import hold_out
from ftkit.errors import DataError
from ftkit.types import Label, TextExample


def examples(*labels: Label | None) -> list[TextExample]:
    return [TextExample(number, f"text {number}", label=label) for number, label in enumerate(labels)]


GOLDEN = [1, 3, 6, 8]
"""What seed 7 holds out of `aabbaabbab` at 0.4."""


def ids(part: list[TextExample]) -> list[str | int]:
    return [example.id for example in part]


def test_stratified() -> None:
    train, held_out = hold_out(examples(*["a"] * 60 + ["b"] * 40), 0.25, seed=0)
    assert Counter(example.label for example in held_out) == {"a": 15, "b": 10}
    assert Counter(example.label for example in train) == {"a": 45, "b": 30}


def test_draw_is_the_same_everywhere() -> None:
    # Literal: a change here would change which rows every existing config trains on.
    assert ids(hold_out(examples(*"aabbaabbab"), 0.4, seed=7)[1]) == GOLDEN
    assert ids(hold_out(examples(*"aabbaabbab"), 0.4, seed=8)[1]) != GOLDEN


def test_numbers_and_sets_of_labels_are_drawn_at_random() -> None:
    for labels in ([0.5 * number for number in range(10)], [("a", "b"), ()] * 5):
        train, held_out = hold_out(examples(*labels), 0.3, seed=0)
        assert (len(train), len(held_out)) == (7, 3)


def test_no_label_is_preferred_for_coming_first() -> None:
    held_out = hold_out(examples(*(f"label {number // 5}" for number in range(500))), 0.1, seed=0)[1]
    assert len(held_out) == 50
    assert any(int(example.id) >= 400 for example in held_out)


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "c"]])
def test_nothing_to_hold_out(labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"data.validation: 0.1 of train leaves nothing(.|\n)*validation file"):
        hold_out(examples(*labels), 0.1, seed=0)


def test_a_row_that_train_cannot_spare_makes_room_for_the_next_in_turn() -> None:
    rows = examples(*[("a",)] * 9, ("a", "rare"))
    turns = {seed: ids(hold_out(rows, 0.3, seed)[1]) for seed in range(20)}
    assert all(len(held_out) == 3 and 9 not in held_out for held_out in turns.values())
    # Where its turn never came, the draw is what it was.
    plain = {seed: ids(hold_out(examples(*[("a",)] * 10), 0.3, seed)[1]) for seed in range(20)}
    assert all(turns[seed] == plain[seed] for seed in range(20) if 9 not in plain[seed])
    assert any(9 in held_out for held_out in plain.values())


@given(
    labels=st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=3).map(tuple), min_size=1, max_size=30),
    fraction=st.floats(0.01, 0.99),
)
@settings(max_examples=60, deadline=None)
def test_train_keeps_every_name_or_the_split_is_refused_whatever_the_seed(
    labels: list[tuple[str, ...]], fraction: float
) -> None:
    rows, refused = examples(*labels), []
    for seed in range(3):
        try:
            train, held_out = hold_out(rows, fraction, seed)
        except DataError as error:
            refused.append(str(error))
            continue
        assert {name for example in train for name in example.label} == {name for row in labels for name in row}
        assert sorted(ids(train) + ids(held_out)) == ids(rows)
    assert len(refused) in (0, 3)
    assert len(set(refused)) <= 1


@given(
    labels=st.lists(st.sampled_from("abcde"), min_size=6, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_both_parts_make_the_whole(labels: list[str], fraction: float, seed: int) -> None:
    rows = examples(*labels)
    train, held_out = hold_out(rows, fraction, seed)
    assert sorted(ids(train) + ids(held_out)) == ids(rows)
    assert ids(train) == sorted(ids(train))
    assert ids(held_out) == sorted(ids(held_out))
    assert {example.label for example in train} == set(labels)
    assert 1 <= len(held_out) <= max(1, round(len(rows) * fraction + 0.5))
