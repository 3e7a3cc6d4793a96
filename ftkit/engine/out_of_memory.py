"""What memory is too small for is computed again in smaller batches; the result is the same, up to rounding.

A backward pass that fails has already added some of its gradients to those of the passes before. So the whole step of
the optimizer is computed again: its rows, in their order, with the same random numbers to come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from ftkit.adapters.objective import Compared
from ftkit.adapters.rows import Batch
from ftkit.console import warn
from ftkit.engine.arguments import is_sharded
from ftkit.engine.freed_memory import release_memory
from ftkit.engine.guards import NameRows, row_numbers
from ftkit.engine.memory_errors import LESS_MEMORY, SHORTER, SMALLER_BATCHES, is_out_of_memory, reason_of
from ftkit.engine.pass_state import PassState, running_statistics
from ftkit.errors import OutOfMemory

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments

Result = TypeVar("Result")


# --- training ---


def obstacle(arguments: TrainingArguments, *, compares: Compared | None = None) -> str | None:
    """Returns why a step that memory was too small for cannot be computed again; None where it can be.

    Args:
        compares: among which rows the loss compares.
    """
    if compares == "micro-batch":
        return "its rows are compared with one another, and with fewer of them the loss would be another one"
    if compares == "step":
        return (
            "all rows of a step are compared, whose vectors were computed beforehand in micro-batches of this size (a "
            "smaller train.per_device_train_batch_size with as much more train.gradient_accumulation_steps gives the "
            "same loss)"
        )
    if arguments.world_size > 1:
        return "several processes add up their gradients while they are computed"
    if is_sharded(arguments):
        return "the model is shared out by FSDP or DeepSpeed"
    if "layerwise" in str(arguments.optim):
        return "this optimizer changes weights during the backward pass"
    return None


@dataclass
class _Failure:
    part: Batch
    reason: str


class FittingSteps:
    """Computes the batches of optimizer steps part by part, and a step that memory is too small for once more.

    Args:
        model: whose gradients add up.
        split: makes a part into parts of at most so many positions; one that is small enough stays as it is.
        longest: positions of the longest of some training rows, from their indices.
        forget: called before a step is computed again.
        name_rows: says where training rows stand, for messages.
        obstacle: why a step cannot be computed again, such as `several processes train together`; None: it can be.

    Attributes:
        limit: positions of a part, padding included, at most, since memory ran out; None: it has not.
    """

    def __init__(
        self,
        model: Module,
        split: Callable[[Batch, int], list[Batch]],
        longest: Callable[[np.ndarray], int],
        *,
        device: torch.device,
        forget: Callable[[], None],
        name_rows: NameRows = row_numbers,
        obstacle: str | None = None,
    ) -> None:
        self.limit: int | None = None
        self._model, self._split, self._longest, self._device = model, split, longest, device
        self._forget, self._name_rows, self._obstacle = forget, name_rows, obstacle
        self._buffers = running_statistics(model)
        self._step: int | None = None
        self._batches: list[Sequence[Batch]] = []
        self._told: torch.Tensor | float = 0.0

    def loss(
        self, batch: Sequence[Batch], compute: Callable[[Batch, bool], torch.Tensor], *, step: int
    ) -> torch.Tensor:
        """Computes a batch, and returns its loss.

        Args:
            batch: its parts.
            compute: forward and backward pass over a part, from whether it is the last of its batch; returns its loss.
            step: optimizer steps that have been taken; batches with the same number add up to one step.

        Raises:
            OutOfMemory: memory is too small for one row, or the step cannot be computed again.
        """
        if step != self._step:
            self._step, self._batches, self._told = step, [], 0.0
            self._before = PassState(self._buffers, self._device)
        self._batches.append(batch)
        found = self._computed([batch], compute)
        if not isinstance(found, _Failure):
            self._told = self._told + found
            return found
        while isinstance(found, _Failure):
            self._lower(found)
            del found
            self._begin_again()
            found = self._computed(self._batches, compute)
        before, self._told = self._told, found
        return found - before  # what was told of the step's earlier batches has been added up already

    def _computed(
        self, batches: Sequence[Sequence[Batch]], compute: Callable[[Batch, bool], torch.Tensor]
    ) -> torch.Tensor | _Failure:
        losses = []
        for batch in batches:
            parts = self._fitting(batch)
            for part in parts:
                try:
                    losses.append(compute(part, part is parts[-1]))
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    return _Failure(part, reason_of(error))
        return torch.stack(losses).sum()

    def _fitting(self, batch: Sequence[Batch]) -> list[Batch]:
        limit = self.limit
        return list(batch) if limit is None else [fitting for part in batch for fitting in self._split(part, limit)]

    def _lower(self, failure: _Failure) -> None:
        """Halves what is computed at once.

        Raises:
            OutOfMemory: it cannot be.
        """
        part, number = failure.part, (self._step or 0) + 1
        assert part.row_indices is not None
        num_positions = len(part) * self._longest(part.row_indices)
        size = f"{len(part)} {'row' if len(part) == 1 else 'rows'} of {num_positions} positions"
        if self._obstacle is not None:
            raise OutOfMemory(
                f"Memory is too small for {size} at once, in step {number} ({failure.reason}); {self._obstacle}, so "
                "that it cannot be computed again in smaller parts. Checkpoints saved before are sound. "
                f"{SMALLER_BATCHES}, {SHORTER}, {LESS_MEMORY}."
            )
        if len(part) == 1:
            (row,) = self._name_rows(part.row_indices.tolist())
            raise OutOfMemory(
                f"Memory is too small to train on one row of {num_positions} positions, {row}, in step {number} "
                f"({failure.reason}). Checkpoints saved before are sound. Likely fixes: {SHORTER}, {LESS_MEMORY}, an "
                "optimizer that keeps less (train.optim: adafactor)."
            )
        self.limit = max(num_positions // 2, 1)
        warn(
            f"Memory is too small for {size} at once, in step {number}. The step is computed again, and the "
            f"rest of the run, in parts of at most {self.limit} positions; rows, order and gradient stay the same."
        )

    def _begin_again(self) -> None:
        self._model.zero_grad(set_to_none=True)
        self._forget()
        release_memory(self._device.type)
        self._before.restore()


# --- evaluation and prediction ---


def computed_in_memory(
    compute: Callable[[np.ndarray], Result], batches: Sequence[np.ndarray], costs: np.ndarray, device: torch.device
) -> Iterator[tuple[np.ndarray, Result]]:
    """Computes batches of rows one after another; one that memory is too small for in halves, and no later one larger.

    Args:
        compute: what is computed of some rows.
        batches: indices of rows.
        costs: positions of each row, (R,).
        device: where it is computed.

    Yields:
        Rows, and what was computed of them; every row once.

    Raises:
        OutOfMemory: memory is too small for one row.
    """
    waiting, limit = list(batches)[::-1], math.inf
    while waiting:
        rows = waiting.pop()
        cost = len(rows) * int(costs[rows].max())
        if len(rows) > 1 and cost > limit:
            waiting += _halves(rows, costs)
            continue
        try:
            result = compute(rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = reason_of(error)
        else:
            yield rows, result
            continue
        if len(rows) == 1:
            raise OutOfMemory(
                f"Memory is too small for one row of {cost} positions ({reason}). Likely "
                f"fixes: {SHORTER}, a device with more memory."
            )
        limit = max(cost // 2, 1)
        warn(
            f"Memory is too small to compute {len(rows)} rows of {cost} positions at once. They are computed in "
            f"halves, and what follows in batches of at most {limit} positions; the results are the same."
        )
        release_memory(device.type)
        waiting.append(rows)


def _halves(rows: np.ndarray, costs: np.ndarray) -> list[np.ndarray]:
    """Returns the shorter and the longer half of some rows."""
    ordered = rows[np.argsort(costs[rows], kind="stable")]
    return np.array_split(ordered, 2)
