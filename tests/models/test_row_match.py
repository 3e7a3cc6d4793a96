"""Which outputs of a saved head are the labels of a run."""

from __future__ import annotations

from typing import Any

import pytest

from ftkit.models.row_match import SavedHead, match_rows, saved_head
from ftkit.types import LabelSpace

NLI = ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("labels", "names", "rows"),
    [
        (NLI, NLI, (0, 1, 2)),
        (tuple(sorted(NLI)), NLI, (2, 0, 1)),
        (("contradiction", "neutral", "other"), ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), (2, 1, None)),
        (("us", "US"), ("US", "us"), (1, 0)),
        (("us", "US"), ("US", "them"), (None, 0)),  # `us` may be anything
        (("us", "them"), ("US", "Us"), (None, None)),
        (("a", "b"), ("a", "a"), (None, None)),
        (("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), ("B-LOC", "I-LOC", "O", "B-PER", "I-PER"), (2, 3, 4, 0, 1)),
        (("O", "B-PER", "I-PER"), ("o", "b-per", "b-misc"), (0, 1, None)),
        (("neg", "pos"), ("LABEL_0", "LABEL_1"), (None, None)),
        (("LABEL_1", "LABEL_0"), ("LABEL_0", "LABEL_1"), (1, 0)),
        (("0", "1", "2"), ("LABEL_0", "LABEL_1", "LABEL_2"), (0, 1, 2)),
        (("2", "1", "0"), ("LABEL_0", "LABEL_1", "LABEL_2"), (2, 1, 0)),
        (("1", "2", "3"), ("LABEL_0", "LABEL_1", "LABEL_2"), (None, None, None)),  # stars, counted from 1
        (("0", "1"), ("LABEL_0", "LABEL_1", "LABEL_2"), (None, None)),
    ],
)
def test_rows_are_found_by_name(labels: tuple[str, ...], names: tuple[str, ...], rows: tuple[Any, ...]) -> None:
    assert match_rows(LabelSpace(labels), SavedHead(names, is_regression=False)).rows == rows


@pytest.mark.parametrize(
    ("problem_type", "saved", "rows"),
    [
        ("regression", (("LABEL_0",), None), (0,)),
        ("regression", (("score",), "regression"), (0,)),
        ("regression", (("score",), "multi_label_classification"), (None,)),
        ("regression", (("a", "b"), None), (None,)),
        ("single_label_classification", (("score",), "regression"), (None,)),
        ("multi_label_classification", (("score",), "multi_label_classification"), (0,)),
    ],
)
def test_numbers_and_labels_are_told_apart(problem_type: Any, saved: Any, rows: tuple[Any, ...]) -> None:
    names, stated = saved
    head = saved_head(dict(enumerate(names)), stated)
    assert match_rows(LabelSpace(("score",), problem_type), head).rows == rows


def test_names_of_another_number_of_outputs_are_not_theirs() -> None:
    assert saved_head({"0": "a", "1": "b"}, None, num_outputs=3).names == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert saved_head({"10": "k", "2": "c"}, None).names == ("c", "k")


@pytest.mark.parametrize(
    ("labels", "names", "told"),
    [
        (NLI, NLI, "head: the checkpoint predicts the same labels; its head is kept as it is"),
        (
            ("contradiction", "entailment", "neutral"),
            NLI,
            "head: the checkpoint knows 3 of 3 labels by name, whose rows are kept",
        ),
        (
            ("neutral", "other"),
            NLI,
            "head: the checkpoint knows 1 of 2 labels by name, whose rows are kept; new: 'other'; left out: "
            "'entailment', 'contradiction'",
        ),
        (("a", "b"), NLI, "head: the checkpoint predicts other labels ('entailment', 'neutral', 'contradiction'); "),
        (("a", "b"), ("LABEL_0", "LABEL_1"), "head: the checkpoint calls its outputs 'LABEL_0', 'LABEL_1', which "),
    ],
)
def test_one_line_tells_what_becomes_of_the_head(labels: tuple[str, ...], names: tuple[str, ...], told: str) -> None:
    line = match_rows(LabelSpace(labels), SavedHead(names, is_regression=False)).told("the checkpoint")
    assert line.startswith(told)
    assert "\n" not in line
