"""The loss as it is logged: per item of the steps since the last log, so that logs of steps of other sizes compare."""

from __future__ import annotations

import torch
from accelerate import Accelerator


class LoggedLoss:
    """Undoes, in what is logged, that the loss of each step is divided by the mean number of items in a step.

    That divisor is right for the gradient (see `FtkitTrainer.compute_loss`). In a log it makes a step of many items
    look worse than one of few.

    Args:
        items_per_step: the divisor.
    """

    def __init__(self, items_per_step: float, accelerator: Accelerator) -> None:
        self._items_per_step, self._accelerator = items_per_step, accelerator
        self._last_step = 0
        self._num_items: int | None = 0

    def count(self, num_items: int) -> None:
        """Adds the items of a micro-batch of this rank."""
        if self._num_items is not None:
            self._num_items += num_items

    def num_items(self) -> int | None:
        """Returns the items since the last log, of all ranks, which call this together; None: not all are known."""
        if self._num_items is None:
            return None
        count = torch.tensor(self._num_items, device=self._accelerator.device, dtype=torch.int64)
        return int(self._accelerator.reduce(count, reduction="sum"))

    def restore(self, last_step: int, num_items: int | None) -> None:
        """Goes on from what a checkpoint says; the items of all ranks are the first one's from here on."""
        is_first = self._accelerator.process_index == 0
        self._last_step, self._num_items = last_step, num_items if num_items is None or is_first else 0

    def per_item(self, loss: float, step: int) -> float:
        """Returns the loss per item of the steps since the last log; all ranks call this together.

        Args:
            loss: the mean over these steps, each divided by `items_per_step`.
            step: the last of them.
        """
        num_items, num_steps = self.num_items(), step - self._last_step
        self._last_step, self._num_items = step, 0
        return loss * self._items_per_step * num_steps / num_items if num_items else loss
