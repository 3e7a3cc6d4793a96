"""The company in which the first epoch computes a row: rounding depends on it, and so does what is kept of the row."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ftkit.adapters.task_adapter import Batch, Encoded, Preprocessor
from ftkit.engine.batching import StepSize, parts, plan_epoch
from ftkit.engine.training_rows import PartsCollator


class FirstEpoch:
    """The parts of the batches of the first epoch, of all processes.

    Args:
        rows: of the training data.
        size: what a rank computes in a batch.
        seed: of the order of rows.
        world_size: processes that share out the batches.
    """

    def __init__(
        self, rows: Encoded, preprocessor: Preprocessor, size: StepSize, *, seed: int, world_size: int
    ) -> None:
        self._rows, self._size, self._seed, self._world_size = rows, size, seed, world_size
        self._collator = PartsCollator(preprocessor, rows.costs, size, seed=seed)

    def part_of(self, row: int) -> np.ndarray:
        """Returns the rows that are computed together with a row, itself among them, in their order.

        Example: of the batch {7, 2, 5, 4} with lengths 3, 9, 4, 8 the parts are {7, 5} and {4, 2}: row 4 is computed
        with row 2.
        """
        batches, batch_of_row = self._batches
        batch = batches[batch_of_row[row]]
        computed = (batch[part] for part in parts(self._rows.costs[batch], self._size))
        return next(part for part in computed if row in part)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Returns some rows as the first epoch puts them together."""
        return self._collator.batch(self._rows, rows, epoch=0)

    @functools.cached_property
    def _batches(self) -> tuple[list[np.ndarray], np.ndarray]:
        """The batches, and which one each row is in, (R,)."""
        costs = self._rows.costs
        batches = plan_epoch(costs, self._size, seed=self._seed, epoch=0, multiple_of=self._world_size)
        batch_of_row = np.empty(len(costs), np.int64)
        for number, batch in enumerate(batches):
            batch_of_row[batch] = number
        return batches, batch_of_row
