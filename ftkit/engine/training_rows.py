"""Encoded rows -> micro-batches in parts, for PyTorch's loader and its workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Batch, Encoded
from ftkit.engine.batching import StepSize, parts
from ftkit.engine.step_plan import RowOfEpoch

PARTS = "parts"  # of what a loader yields: the micro-batch, part by part
COUNTS = "counts"  # likewise: whether its loss counts


def row_generator(seed: int, epoch: int, row: int) -> np.random.Generator:
    """Returns what is drawn from for a training row, in an epoch, from 0; it depends on nothing else."""
    return np.random.default_rng([seed, epoch, row])


class TrainingRows(torch.utils.data.Dataset[Any]):
    """Encoded rows, together with which ones they are."""

    def __init__(self, encoded: Encoded) -> None:
        self.encoded = encoded

    def __len__(self) -> int:
        return self.encoded.num_rows

    def __getitems__(self, wanted: list[RowOfEpoch]) -> list[tuple[RowOfEpoch, dict[str, Any]]]:
        rows = self.encoded.rows_to_train([one.row for one in wanted])
        return list(zip(wanted, rows, strict=True))


class PartsCollator:
    """Makes a micro-batch of rows, as parts of near-equal costs.

    Args:
        costs: positions of each row of the training data, (R,).
        seed: of what a preprocessor changes at random. In each row it depends on seed, epoch and row alone, not on who
            makes the batch and what else is in it: a resumed run and any number of workers see the same.
    """

    def __init__(self, preprocessor: Preprocessor, costs: np.ndarray, size: StepSize, *, seed: int) -> None:
        self.preprocessor, self.costs, self.size, self.seed = preprocessor, costs, size, seed

    def __call__(self, items: Sequence[tuple[RowOfEpoch, dict[str, Any]]]) -> dict[str, Any]:
        """Returns the parts of a micro-batch, each padded to its own longest row.

        Example: rows of 3, 9, 4 and 8 positions, where one more part costs fewer than 10: the parts {3, 4}, {8, 9}.
        """
        indices = np.array([wanted.row for wanted, _ in items])
        split = parts(self.costs[indices], self.size)
        return {PARTS: [self._part(items, indices, part) for part in split], COUNTS: items[0][0].counts}

    def split(self, part: Batch, encoded: Encoded, *, epoch: int, most_positions: int) -> list[Batch]:
        """Returns the rows of a part as smaller parts; as it is where it is small enough.

        Padded rows are put together anew, so that short ones are padded to less; what is changed in them at random is
        changed in the same way. Others, which have files to be read, are taken as they are.

        Args:
            encoded: the training rows.
            epoch: in which they are trained on.
            most_positions: of a part, padding included, unless one row takes more.
        """
        assert part.row_indices is not None
        costs = self.costs[part.row_indices]
        if len(part) * int(costs.max()) <= most_positions:
            return [part]
        chosen = parts(costs, dataclasses.replace(self.size, max_cost_at_once=most_positions))
        if part.lengths is None:
            return [part.take(rows) for rows in chosen]
        device = next(iter(part.inputs.values())).device
        return [self.batch(encoded, part.row_indices[rows].tolist(), epoch=epoch).to(device) for rows in chosen]

    def batch(self, encoded: Encoded, rows: Sequence[int], *, epoch: int) -> Batch:
        """Returns some of the training rows as one part, as an epoch has them."""
        items = TrainingRows(encoded).__getitems__([RowOfEpoch(row, epoch) for row in rows])
        return self._part(items, np.asarray(rows), np.arange(len(rows)))

    def _part(self, items: Sequence[Any], indices: np.ndarray, part: np.ndarray) -> Batch:
        wanted = [items[index][0] for index in part]
        rngs = [row_generator(self.seed, one.epoch, one.row) for one in wanted]
        batch = self.preprocessor.collate([items[index][1] for index in part], training=True, rngs=rngs)
        return dataclasses.replace(batch, row_indices=indices[part], epoch=wanted[0].epoch)
