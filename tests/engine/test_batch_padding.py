"""What a padded batch holds, whole and in parts."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.engine.batching import StepSize, pad, pad_parts

SIZE = StepSize(rows=4, tokens=None, max_tokens_at_once=4_096, part_cost=5)

ROWS: list[dict[str, Any]] = [
    {"input_ids": [5, 6, 7], "token_type_ids": [0, 0, 1], "labels": 2},
    {"input_ids": [8], "token_type_ids": [1], "labels": 0},
]
PADDING = {"input_ids": 9, "token_type_ids": 0}


def test_pads_on_the_right() -> None:
    batch = pad(ROWS, PADDING)
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "token_type_ids": [[0, 0, 1], [1, 0, 0]],
        "labels": [2, 0],
    }
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_pads_on_the_left() -> None:
    batch = pad(ROWS, PADDING, left=True)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [9, 9, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_pad_id_within_a_row_is_not_masked() -> None:
    batch = pad([{"input_ids": [9, 5, 9]}, {"input_ids": [9]}], {"input_ids": 9})
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_label_rows_of_their_own_width_are_padded_by_their_own_value() -> None:
    rows = [{"input_ids": [5, 6, 7], "labels": [1, 2]}, {"input_ids": [8], "labels": [3, 4, 5, 6]}]
    batch = pad(rows, {"input_ids": 0, "labels": -100})
    assert batch["labels"].tolist() == [[1, 2, -100, -100], [3, 4, 5, 6]]
    assert batch["attention_mask"].shape == (2, 3)


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
    rows = [{"input_ids": [5], "labels": label} for label in labels]
    batch = pad(rows, {"input_ids": 0})
    assert batch["labels"].dtype == dtype
    assert batch["labels"].shape == shape
    assert batch["labels"].tolist() == labels


def test_rows_without_labels_make_a_batch_without() -> None:
    assert pad([{"input_ids": [5]}], PADDING).keys() == {"input_ids", "attention_mask"}


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_mask_gives_the_rows_back(rows: list[list[int]], left: bool) -> None:
    batch = pad([{"input_ids": row} for row in rows], {"input_ids": 0}, left=left)
    kept = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
    assert kept == rows
    assert batch["input_ids"].shape == (len(rows), max(map(len, rows)))


def test_each_part_is_as_wide_as_its_own_longest_row() -> None:
    rows = [{"input_ids": [5] * length, "labels": index} for index, length in enumerate([3, 9, 4, 8])]
    batch = pad_parts(rows, padding={"input_ids": 0}, size=SIZE)
    assert [tuple(part["input_ids"].shape) for part in batch["parts"]] == [(2, 4), (2, 9)]
    assert [part["labels"].tolist() for part in batch["parts"]] == [[0, 2], [3, 1]]


def test_a_row_is_as_long_as_its_longest_padded_column() -> None:
    """A short source with a long target is computed with the long rows."""
    widths = [(2, 9), (8, 3), (3, 2), (2, 3)]
    rows = [{"input_ids": [5] * source, "labels": [6] * target} for source, target in widths]
    batch = pad_parts(rows, padding={"input_ids": 0, "labels": -100}, size=SIZE)
    assert [tuple(part["input_ids"].shape) for part in batch["parts"]] == [(2, 3), (2, 8)]
    assert [tuple(part["labels"].shape) for part in batch["parts"]] == [(2, 3), (2, 9)]


def test_worker_processes_can_be_sent_what_makes_batches() -> None:
    collate = partial(pad_parts, padding=PADDING, size=SIZE)
    parts_there = pickle.loads(pickle.dumps(collate))(ROWS)["parts"]
    assert len(parts_there) == 1
    assert parts_there[0]["labels"].tolist() == [0, 2]
