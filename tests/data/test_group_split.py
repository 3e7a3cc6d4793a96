from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.data.group_split import check_groups
from ftkit.data.problems import Problems
from ftkit.data.split import hold_out
from ftkit.errors import DataError
from ftkit.kinds.tag_conversion import types_of
from ftkit.types import Label, Split, TextExample, TextToTextExample, TokenExample


def examples(*groups: str | None, labels: list[Label] | None = None) -> list[TextExample]:
    return [
        TextExample(number, f"text {number}", label=labels[number] if labels else "ab"[number % 2], group=group)
        for number, group in enumerate(groups)
    ]


def groups_of(part: list[TextExample]) -> set[str | None]:
    return {example.group for example in part}


def test_whole_groups_are_held_out_near_the_fraction_with_each_label_in_its_share() -> None:
    # Fifty speakers of four rows, two of each label.
    train, held_out = hold_out(examples(*(f"speaker {number // 4}" for number in range(200))), 0.1, seed=0)
    assert len(held_out) == 20
    assert not groups_of(train) & groups_of(held_out)
    assert Counter(example.label for example in held_out) == {"a": 10, "b": 10}


def test_draw_is_the_same_everywhere() -> None:
    rows = examples(*(f"speaker {number // 4}" for number in range(40)))
    # Literal: a change here would change which rows every existing config trains on.
    assert sorted(groups_of(hold_out(rows, 0.2, seed=7)[1])) == ["speaker 2", "speaker 6"]
    assert sorted(groups_of(hold_out(rows, 0.2, seed=8)[1])) != ["speaker 2", "speaker 6"]


def test_where_every_group_is_too_large_the_nearest_is_held_out() -> None:
    rows = examples(*["large"] * 40, *["small"] * 20, *["middle"] * 30)
    assert groups_of(hold_out(rows, 0.05, seed=0)[1]) == {"small"}


def test_labels_decide_between_groups_of_one_size() -> None:
    rows = examples(*"wxyz" * 10, labels=["a" if number % 4 in (0, 2) else "b" for number in range(40)])
    # w and y hold `a` only, x and z `b` only: one of each keeps the shares even.
    assert len(groups_of(hold_out(rows, 0.5, seed=1)[1]) & {"w", "y"}) == 1


def test_a_label_keeps_an_example_for_training() -> None:
    rows = examples("p", "p", "q", "q", "r", "r", labels=["a", "rare", "a", "b", "a", "b"])
    for seed in range(20):
        assert "p" not in groups_of(hold_out(rows, 0.3, seed)[1])


def test_a_tagger_keeps_the_types_of_the_only_group_that_has_them() -> None:
    rows = [
        TokenExample(number, ("Anna", "left"), ("B-RARE" if number < 2 else "B-PER", "O"), group="pqr"[number // 2])
        for number in range(6)
    ]
    for seed in range(20):
        assert "p" not in groups_of(hold_out(rows, 0.3, seed, names_of=types_of)[1])


def test_rows_without_a_group_stand_alone() -> None:
    train, held_out = hold_out(examples(*[None] * 9, "one"), 0.3, seed=0)
    assert (len(train), len(held_out)) == (7, 3)


def test_tagged_sentences_and_translations_have_groups_too() -> None:
    sentences = [TokenExample(number, ("word",), ("O",), group=str(number // 5)) for number in range(20)]
    pairs = [TextToTextExample(number, "one", "eins", group=str(number // 5)) for number in range(20)]
    for rows in (sentences, pairs):
        train, held_out = hold_out(rows, 0.25, seed=0)
        assert len(held_out) == 5
        assert not groups_of(train) & groups_of(held_out)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (examples("one", "one", "one", "one"), "there is one group only"),
        (examples("p", "p", "q", "q", labels=["a", "a", "b", "b"]), "every group holds all rows of some label"),
    ],
)
def test_no_group_can_be_held_out(rows: list[TextExample], why: str) -> None:
    with pytest.raises(DataError, match=rf"data.validation: 0.25 of train leaves no group to hold out: {why}.\nFix: "):
        hold_out(rows, 0.25, seed=0)


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=8, max_size=80),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_no_group_is_split(groups: list[str], fraction: float, seed: int) -> None:
    rows = [
        TextExample(number, f"text {number}", label=float(number), group=name) for number, name in enumerate(groups)
    ]
    if len(set(groups)) < 2:
        return
    train, held_out = hold_out(rows, fraction, seed)
    assert sorted(example.id for example in [*train, *held_out]) == list(range(len(rows)))
    assert train
    assert held_out
    assert not groups_of(train) & groups_of(held_out)


def split(name: str, *groups: str | None) -> Split:
    return Split(name, f"{name}.csv", examples(*groups))


def test_groups_on_both_sides_are_told() -> None:
    problems = Problems()
    splits = {"train": split("train", "anna", "bert", "carl"), "test": split("test", "dora", "anna", "bert", None)}
    check_groups(splits, "speaker", None, problems)
    assert not problems
    assert problems.warnings == [
        "leak: 2 of 4 rows of test share their speaker with rows of train: 'anna', 'bert'; at test.csv, text 1; "
        "fix: remove them from train or from test; its scores tell nothing of another speaker"
    ]


def test_a_row_of_train_without_a_group_is_an_error() -> None:
    problems = Problems()
    check_groups({"train": split("train", "anna", None), "test": split("test", None)}, "speaker", None, problems)
    assert problems.errors == [
        "train: the group is missing (column 'speaker')\nat train.csv, text 1\n"
        "fix: fill it in, correct data.group, or leave data.group out"
    ]


def test_a_share_far_from_the_fraction_is_told() -> None:
    problems = Problems()
    splits = {"train": split("train", *["anna"] * 3), "validation": split("validation", "bert")}
    check_groups(splits, "speaker", 0.1, problems)
    assert "validation holds 25.0% of train instead of 10.0%" in problems.warnings[0]
    problems = Problems()
    check_groups(splits, "speaker", 0.2, problems)
    assert problems.warnings == []
