"""Training rows become batches in parts; what is changed in them at random depends on seed, epoch and row alone."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from ftkit.adapters.columns import pad_columns
from ftkit.adapters.rows import Batch, Encoded
from ftkit.engine.batching import StepSize
from ftkit.engine.step_plan import MicroBatchSampler, RowOfEpoch, StepPlan
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows

IN_PARTS = StepSize(rows=4, cost=None, max_cost_at_once=4_096, part_cost=5)


class ListRows(list[dict[str, Any]]):
    """Rows that are no datasets.Dataset."""

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


class Drawing:
    """A preprocessor's half that the engine asks for: it pads, and in training adds a number drawn at random."""

    padding: Mapping[str, int] = {"input_ids": 0, "labels": -100}

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None
    ) -> Batch:
        assert training
        assert rngs is not None
        columns = pad_columns(rows, self.padding)
        labels = columns.pop("labels")
        lengths = [len(row["input_ids"]) for row in rows]
        drawn = torch.tensor([rng.random() for rng in rngs])
        return Batch(columns, labels, lengths=lengths, extras={"drawn": drawn})


def encoded_of(*widths: tuple[int, int]) -> Encoded:
    """Returns rows with so many ids and labels, each label being the index of its row."""
    rows = [{"input_ids": [5] * ids, "labels": [index] * labels} for index, (ids, labels) in enumerate(widths)]
    return Encoded(ListRows(rows), np.array([max(width) for width in widths]))


def batch_of(
    encoded: Encoded, rows: Sequence[int], *, size: StepSize = IN_PARTS, seed: int = 0, epoch: int = 0
) -> Any:
    items = TrainingRows(encoded).__getitems__([RowOfEpoch(row, epoch) for row in rows])
    return PartsCollator(Drawing(), encoded.costs, IN_PARTS, seed=seed)(items)[PARTS]  # type: ignore[arg-type]


def test_rows_come_with_their_numbers() -> None:
    rows = TrainingRows(encoded_of((3, 1), (9, 1)))
    assert len(rows) == 2
    assert rows.__getitems__([RowOfEpoch(1, epoch=4)]) == [((1, 4, True), {"input_ids": [5] * 9, "labels": [1]})]


def test_each_part_is_as_wide_as_its_own_longest_row() -> None:
    """The example of the docstring."""
    parts = batch_of(encoded_of((3, 1), (9, 1), (4, 1), (8, 1)), range(4))
    assert [tuple(part.inputs["input_ids"].shape) for part in parts] == [(2, 4), (2, 9)]
    assert [part.labels.flatten().tolist() for part in parts] == [[0, 2], [3, 1]]
    assert [part.row_indices.tolist() for part in parts] == [[0, 2], [3, 1]]
    assert [part.lengths for part in parts] == [[3, 4], [8, 9]]


def test_a_row_costs_as_much_as_its_longer_side() -> None:
    """A short source with a long target is computed with the long rows."""
    parts = batch_of(encoded_of((2, 9), (8, 3), (3, 2), (2, 3)), range(4))
    assert [tuple(part.inputs["input_ids"].shape) for part in parts] == [(2, 3), (2, 8)]
    assert [tuple(part.labels.shape) for part in parts] == [(2, 3), (2, 9)]


def test_parts_say_which_rows_of_the_training_data_they_hold() -> None:
    encoded = encoded_of(*[(length, 1) for length in (3, 9, 4, 8, 3, 9)])
    for part in batch_of(encoded, [5, 4, 1, 2]):
        assert part.row_indices.tolist() == part.labels[:, 0].tolist()


# --- what is drawn at random ---


def drawn(encoded: Encoded, rows: Sequence[int], **options: Any) -> list[list[float]]:
    return [part.extras["drawn"].tolist() for part in batch_of(encoded, rows, **options)]


def test_the_same_seed_epoch_and_rows_draw_the_same() -> None:
    """Whatever was drawn before: a resumed run, and any number of workers, see the same."""
    encoded = encoded_of(*[(length, 1) for length in (3, 9, 4, 8)])
    first = drawn(encoded, range(4), epoch=2)
    np.random.default_rng(0).random(7)
    torch.rand(3)
    assert drawn(encoded, range(4), epoch=2) == first
    assert len({number for part in first for number in part}) == 4


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}, {"rows": [4, 5, 6, 7]}])
def test_another_epoch_seed_or_row_draws_something_else(other: dict[str, Any]) -> None:
    encoded = encoded_of(*[(4, 1)] * 8)
    (first,) = drawn(encoded, [0, 1, 2, 3])
    (second,) = drawn(encoded, **{"rows": [0, 1, 2, 3], **other})
    assert not set(first) & set(second)


def test_what_is_drawn_for_a_row_does_not_depend_on_the_others() -> None:
    encoded = encoded_of(*[(4, 1)] * 4)
    (together,) = drawn(encoded, [0, 1, 2, 3])
    assert drawn(encoded, [2, 0]) == [[together[2], together[0]]]


def test_smaller_parts_of_a_part_draw_the_same() -> None:
    encoded = encoded_of(*[(4, 1)] * 4)
    collate = PartsCollator(Drawing(), encoded.costs, IN_PARTS, seed=0)  # type: ignore[arg-type]
    (part,) = batch_of(encoded, range(4))
    smaller = collate.split(part, encoded, epoch=0, most_positions=8)
    assert [len(one) for one in smaller] == [2, 2]
    assert [number for one in smaller for number in one.extras["drawn"].tolist()] == part.extras["drawn"].tolist()


def test_epochs_of_a_sampler_draw_differently_and_repeat() -> None:
    encoded, sampler = encoded_of(*[(4, 1)] * 8), MicroBatchSampler(StepPlan(np.full(8, 4), IN_PARTS, seed=5))
    collate = PartsCollator(Drawing(), encoded.costs, IN_PARTS, seed=5)  # type: ignore[arg-type]

    def numbers(epoch: int) -> list[float]:
        sampler.set_epoch(epoch)
        batches = [collate(TrainingRows(encoded).__getitems__(items)) for items in sampler]
        return [number for batch in batches for part in batch[PARTS] for number in part.extras["drawn"].tolist()]

    first = numbers(0)
    assert not set(first) & set(numbers(1))
    assert numbers(0) == first


def test_worker_processes_can_be_sent_what_makes_batches() -> None:
    encoded = encoded_of((3, 1), (1, 1))
    collate = PartsCollator(Drawing(), encoded.costs, IN_PARTS, seed=0)  # type: ignore[arg-type]
    there, rows = pickle.loads(pickle.dumps((collate, TrainingRows(encoded))))
    (part,) = there(rows.__getitems__([RowOfEpoch(0, 0), RowOfEpoch(1, 0)]))[PARTS]
    assert part.labels.flatten().tolist() == [1, 0]
    assert part.row_indices.tolist() == [1, 0]
