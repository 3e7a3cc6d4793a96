"""What columns of rows become as tensors: padded or stacked, with the dtype that losses take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.adapters.columns import attention_mask, pad_columns

ROWS: list[dict[str, Any]] = [
    {"input_ids": [5, 6, 7], "token_type_ids": [0, 0, 1], "labels": 2},
    {"input_ids": [8], "token_type_ids": [1], "labels": 0},
]
PADDING = {"input_ids": 9, "token_type_ids": 0}


def test_pads_on_the_right() -> None:
    columns = pad_columns(ROWS, PADDING)
    assert {name: tensor.tolist() for name, tensor in columns.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "token_type_ids": [[0, 0, 1], [1, 0, 0]],
        "labels": [2, 0],
    }
    assert {tensor.dtype for tensor in columns.values()} == {torch.int64}
    assert attention_mask([3, 1]).tolist() == [[1, 1, 1], [1, 0, 0]]


def test_pads_on_the_left() -> None:
    columns = pad_columns(ROWS, PADDING, left=True)
    assert columns["input_ids"].tolist() == [[5, 6, 7], [9, 9, 8]]
    assert columns["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert columns["labels"].tolist() == [2, 0]
    assert attention_mask([3, 1], left=True).tolist() == [[1, 1, 1], [0, 0, 1]]


def test_columns_of_their_own_width_are_padded_by_their_own_value() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [1, 2]}, {"input_ids": [8], "labels": [3, 4, 5, 6]}]
    columns = pad_columns(rows, {"input_ids": 0, "labels": -100})
    assert columns["labels"].tolist() == [[1, 2, -100, -100], [3, 4, 5, 6]]
    assert columns["input_ids"].shape == (2, 3)


def test_the_example_of_the_docstring() -> None:
    rows = [{"ids": [5, 6, 7], "label": 1}, {"ids": [8], "label": 0}]
    right, left = pad_columns(rows, {"ids": 0}), pad_columns(rows, {"ids": 0}, left=True)
    assert right["ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert left["ids"].tolist() == [[5, 6, 7], [0, 0, 8]]
    assert right["label"].tolist() == left["label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "dtype", "shape"),
    [
        ([1, 0], torch.int64, (2,)),
        ([0.5, -1.0], torch.float32, (2,)),
        ([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], torch.float32, (2, 3)),
    ],
)
def test_label_dtypes_are_those_that_losses_take(
    labels: list[Any], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    columns = pad_columns([{"input_ids": [5], "labels": label} for label in labels], {"input_ids": 0})
    assert columns["labels"].dtype == dtype
    assert columns["labels"].shape == shape
    assert columns["labels"].tolist() == labels


def test_fractions_stay_fractions_where_they_are_padded() -> None:
    """A column of samples of sound, say; the shortest row comes first, and the filling is a whole number."""
    columns = pad_columns([{"samples": [0.5]}, {"samples": [0.25, -0.75]}], {"samples": 0})
    assert columns["samples"].dtype is torch.float32
    assert columns["samples"].tolist() == [[0.5, 0.0], [0.25, -0.75]]


def test_an_empty_row_is_padding_alone() -> None:
    columns = pad_columns([{"positions": []}, {"positions": [3]}], {"positions": 7})
    assert columns["positions"].tolist() == [[7], [3]]
    nothing = pad_columns([{"positions": []}, {"positions": []}], {"positions": 7})
    assert nothing["positions"].shape == (2, 0)
    assert nothing["positions"].dtype is torch.int64


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_mask_gives_the_rows_back(rows: list[list[int]], left: bool) -> None:
    """Whatever fills them up: ids that stand in the rows, too."""
    for filling in (0, rows[0][0]):
        columns = pad_columns([{"input_ids": row} for row in rows], {"input_ids": filling}, left=left)
        mask = attention_mask([len(row) for row in rows], left=left).bool()
        kept = [ids[real].tolist() for ids, real in zip(columns["input_ids"], mask, strict=True)]
        assert kept == rows
        assert columns["input_ids"].shape == mask.shape == (len(rows), max(map(len, rows)))
