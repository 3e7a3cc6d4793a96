"""Columns of rows become tensors of one shape, with the dtype that they have."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def test_pads_on_the_left() -> None:
    columns = pad_columns(ROWS, PADDING, left=True)
    assert columns["input_ids"].tolist() == [[5, 6, 7], [9, 9, 8]]
    assert columns["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_each_column_has_its_own_width_and_filling() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [1, 2]}, {"input_ids": [8], "labels": [3, 4, 5, 6]}]
    columns = pad_columns(rows, {"input_ids": 0, "labels": -100})
    assert columns["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert columns["labels"].tolist() == [[1, 2, -100, -100], [3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("cells", "dtype", "shape"),
    [
        ([1, 0], torch.int64, (2,)),
        ([True, False], torch.int64, (2,)),
        ([0.5, -1.0], torch.float32, (2,)),
        ([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], torch.float32, (2, 3)),
        ([np.ones((2, 3), np.int32), np.zeros((2, 3), np.int32)], torch.int64, (2, 2, 3)),
        ([np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)], torch.float32, (2, 2, 3)),
        ([np.float64(0.5), np.float64(2.0)], torch.float32, (2,)),
    ],
)
def test_columns_of_equal_shapes_are_stacked_in_the_dtype_that_losses_take(
    cells: list[Any], dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    column = pad_columns([{"cell": cell} for cell in cells], {})["cell"]
    assert (column.dtype, column.shape) == (dtype, shape)
    np.testing.assert_array_equal(column, np.asarray(cells, column.numpy().dtype))


def test_numbers_that_are_padded_stay_numbers() -> None:
    """A sound of samples between -1 and 1 would be silence as whole numbers."""
    rows = [{"wave": [0.25]}, {"wave": [-0.5, 0.125, 0.75]}, {"wave": []}]
    column = pad_columns(rows, {"wave": 0.0})["wave"]
    assert column.dtype == torch.float32
    assert column.tolist() == [[0.25, 0.0, 0.0], [-0.5, 0.125, 0.75], [0.0, 0.0, 0.0]]


def test_rows_without_any_entry() -> None:
    column = pad_columns([{"places": []}, {"places": []}], {"places": 0})["places"]
    assert (column.dtype, column.shape) == (torch.int64, (2, 0))


def test_the_mask_marks_what_is_real() -> None:
    assert attention_mask([3, 1]).tolist() == [[1, 1, 1], [1, 0, 0]]
    assert attention_mask([3, 1], left=True).tolist() == [[1, 1, 1], [0, 0, 1]]
    assert attention_mask([2]).dtype == torch.int64


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_mask_gives_the_rows_back(rows: list[list[int]], left: bool) -> None:
    ids = pad_columns([{"input_ids": row} for row in rows], {"input_ids": 0}, left=left)["input_ids"]
    masks = attention_mask([len(row) for row in rows], left=left)
    assert [row[mask.bool()].tolist() for row, mask in zip(ids, masks, strict=True)] == rows
    assert ids.shape == masks.shape == (len(rows), max(map(len, rows)))
