"""The company in which the first epoch computes a row: rounding depends on it, and so does what is kept of the row."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Batch, Encoded
from ftkit.engine.batching import parts
from ftkit.engine.step_plan import StepPlan
from ftkit.engine.training_rows import PartsCollator


class FirstEpoch:
    """The parts of the micro-batches of the first epoch, of all processes.

    Args:
        rows: of the training data.
        plan: the steps that are taken.
    """

    def __init__(self, rows: Encoded, preprocessor: Preprocessor, plan: StepPlan) -> None:
        self._rows, self._plan = rows, plan
        self._collator = PartsCollator(preprocessor, rows.costs, plan.size, seed=plan.seed)

    def part_of(self, row: int) -> np.ndarray:
        """Returns the rows that are computed together with a row, itself among them, in their order.

        Example: of the micro-batch {7, 2, 5, 4} with lengths 3, 9, 4, 8 the parts are {7, 5} and {4, 2}: row 4 is
        computed with row 2.
        """
        batches, batch_of_row = self._batches
        batch = batches[batch_of_row[row]]
        computed = (batch[part] for part in parts(self._rows.costs[batch], self._plan.size))
        return next(part for part in computed if row in part)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Returns some rows as the first epoch puts them together."""
        return self._collator.batch(self._rows, rows, epoch=0)

    @functools.cached_property
    def _batches(self) -> tuple[list[np.ndarray], np.ndarray]:
        """The micro-batches, and which one each row is in, (R,)."""
        plan = self._plan
        batches = [
            batch for step in plan.steps(0) for of_rank in plan.ranks(step) for batch in plan.micro_batches(of_rank)
        ]
        batch_of_row = np.empty(len(plan.costs), np.int64)
        for number, batch in enumerate(batches):
            batch_of_row[batch] = number
        return batches, batch_of_row
