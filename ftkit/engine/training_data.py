"""What a run trains on, in optimizer steps: rows that are all known beforehand, or a stream (ftkit.engine.stream)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from torch.utils.data import Dataset, Sampler

from ftkit.adapters.rows import Batch, Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.batching import StepSize
from ftkit.engine.global_batch import GlobalBatch
from ftkit.engine.guards import NameRows, row_numbers
from ftkit.engine.step_plan import MicroBatchSampler, dealt_facts, plan_steps
from ftkit.engine.training_rows import PartsCollator, TrainingRows

if TYPE_CHECKING:
    from transformers import TrainingArguments


class Loading(NamedTuple):
    """What PyTorch's loader makes this rank's micro-batches of, in their order.

    Attributes:
        sampler: yields what each micro-batch consists of.
        collate: makes it.
    """

    dataset: Dataset[Any]
    sampler: Sampler[Any]
    collate: Any


class TrainingData(Protocol):
    """The rows of a run, planned in optimizer steps and dealt to ranks and micro-batches.

    Attributes:
        items_per_step: terms of the loss in an optimizer step, on average: its divisor.
        has_epochs: whether it is known when an epoch ends.
    """

    items_per_step: float
    has_epochs: bool

    def loading(self) -> Loading:
        """Returns what this rank's micro-batches are loaded by."""
        ...

    def split(self, part: Batch, most_positions: int) -> list[Batch]:
        """Returns the rows of a part as smaller parts; see `PartsCollator.split`."""
        ...

    def longest(self, rows: np.ndarray) -> int:
        """Returns the positions of the longest of some rows of a batch, which are given by its `row_indices`."""
        ...

    def num_items(self, rows: np.ndarray) -> int:
        """Returns the terms of the loss of some rows of a batch, which are given by its `row_indices`."""
        ...

    def names(self, rows: Sequence[int]) -> Sequence[str]:
        """Returns where rows stand, for messages."""
        ...

    def facts(self, num_steps: int) -> dict[str, Any]:
        """Returns what results say of the rows, and of how they were dealt.

        Args:
            num_steps: that the run has taken.
        """
        ...

    def save(self, checkpoint: Path, step: int) -> None:
        """Writes what a run needs to go on with the steps after this one."""
        ...

    def close(self) -> None:
        """Ends what reads ahead."""
        ...


class IndexedData:
    """Rows that are all known beforehand.

    Args:
        encoded: all of them.
        size: of a micro-batch.
        name_rows: says where rows stand, for messages.
    """

    has_epochs = True

    def __init__(
        self,
        encoded: Encoded,
        adapter: TaskAdapter,
        size: StepSize,
        arguments: TrainingArguments,
        *,
        name_rows: NameRows | None = None,
    ) -> None:
        self.encoded, self.names = encoded, name_rows or row_numbers
        self.plan = plan_steps(encoded.costs, size, arguments)
        self.sampler = MicroBatchSampler(self.plan, rank=arguments.process_index)
        self.collator = PartsCollator(adapter.preprocessor, encoded.costs, size, seed=self.plan.seed)
        self.item_counts = adapter.objective.items(encoded)
        self.items_per_step = max(1, int(self.item_counts.sum())) / self.plan.num_steps

    def loading(self) -> Loading:
        """Returns rows by their numbers."""
        return Loading(TrainingRows(self.encoded), self.sampler, self.collator)

    def split(self, part: Batch, most_positions: int) -> list[Batch]:
        """Returns the rows of a part as smaller parts."""
        return self.collator.split(part, self.encoded, epoch=self.sampler.epoch, most_positions=most_positions)

    def longest(self, rows: np.ndarray) -> int:
        """Returns the positions of the longest of some rows."""
        return int(self.encoded.costs[rows].max())

    def num_items(self, rows: np.ndarray) -> int:
        """Returns the terms of the loss of some rows."""
        return int(self.item_counts[rows].sum())

    def facts(self, num_steps: int) -> dict[str, Any]:
        """Returns the padding, and how unequal ranks are."""
        return dict(dealt_facts(self.plan))

    def save(self, checkpoint: Path, step: int) -> None:
        """Writes what a step holds: which rows it holds follows from that and the seed."""
        GlobalBatch.of(self.plan).save(checkpoint)

    def close(self) -> None:
        """Nothing reads ahead."""
