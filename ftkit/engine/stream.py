"""A stream in optimizer steps: block by block, each of which is planned and dealt as the rows of a small data set are.

A block is read whole, encoded by every rank, shuffled, and cut into steps of equal shares (ftkit.engine.step_plan). So
the rows of a step follow from data, seed and what a step holds, not from how many ranks compute it; a row comes
once an epoch; and steps may be limited by tokens, as the lengths in a block are known. A run goes on at any step: it
reads the block of this step again. While one block is trained on, a thread reads the next.

    blocks of 5, 5 and 2 rows (12 in an epoch), 2 rows in a step: steps 0 to 2, 3 to 5 and 6; step 7 begins epoch 1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset, Sampler

from ftkit.adapters.rows import Batch, Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.files import atomic_write_json
from ftkit.engine.batching import StepSize
from ftkit.engine.global_batch import GlobalBatch
from ftkit.engine.guards import NameRows
from ftkit.engine.step_plan import StepPlan, dealt_facts, plan_steps, rows_of_rank
from ftkit.engine.training_data import Loading
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.errors import DataError
from ftkit.json_file import read_json_object

if TYPE_CHECKING:
    from transformers import TrainingArguments

STREAM_FILE = "stream.json"


@dataclass(frozen=True)
class EncodedBlock:
    """Rows that are shuffled together.

    Attributes:
        name_rows: says where they stand, for messages.
        begin: where in the stream the block begins, as plain values; it can be read from there again.
        end: where the next one begins.
        num_left_out: rows of the stream up to there that could not be trained on.
    """

    encoded: Encoded
    name_rows: NameRows
    begin: Mapping[str, Any]
    end: Mapping[str, Any]
    num_left_out: int = 0


Read = Callable[[Mapping[str, Any] | None], Iterator[EncodedBlock]]
"""Where a block begins (None: at the beginning of the stream) -> this block and all that follow, without end."""


class BrokenStream(Exception):
    """A row was met that cannot be trained on, or a shard that cannot be read.

    Attributes:
        error: what is wrong with it.
    """

    def __init__(self, error: DataError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class StreamPlace:
    """A block in the steps of a run: a part of every checkpoint.

    Attributes:
        block: its number.
        first_step: optimizer steps before it.
        first_row: rows before it.
        items_per_step: of the whole run; see `TrainingData`. It is that of the first block.
        begin: where it begins in the stream.
    """

    block: int
    first_step: int
    first_row: int
    items_per_step: float
    begin: Mapping[str, Any]

    @classmethod
    def load(cls, checkpoint: Path) -> StreamPlace:
        """Reads that of a checkpoint.

        Raises:
            ValueError, OSError, TypeError: it has none that ftkit wrote.
        """
        return cls(**read_json_object(checkpoint / STREAM_FILE))

    def save(self, checkpoint: Path) -> None:
        """Writes it into a checkpoint."""
        atomic_write_json(checkpoint / STREAM_FILE, dataclasses.asdict(self))


class _Planned:
    """A block in steps."""

    def __init__(
        self, found: EncodedBlock, place: StreamPlace, adapter: TaskAdapter, size: StepSize, arguments: Any
    ) -> None:
        self.found, self.place = found, place
        self.plan: StepPlan = plan_steps(found.encoded.costs, size, arguments)
        self.steps = self.plan.steps(place.block)
        self.collator = PartsCollator(adapter.preprocessor, found.encoded.costs, size, seed=self.plan.seed)
        self.rows = TrainingRows(found.encoded)
        self.item_counts = adapter.objective.items(found.encoded)

    @property
    def next_place(self) -> StreamPlace:
        return StreamPlace(
            self.place.block + 1,
            self.place.first_step + len(self.steps),
            self.place.first_row + self.found.encoded.num_rows,
            self.place.items_per_step,
            self.found.end,
        )

    def holds(self, row: int) -> bool:
        return 0 <= row - self.place.first_row < self.found.encoded.num_rows

    def numbered(self, part: Batch) -> Batch:
        """Returns a part whose rows have the numbers that they have in the stream."""
        assert part.row_indices is not None
        return dataclasses.replace(part, row_indices=part.row_indices + self.place.first_row)


class StreamedData:
    """The rows of a stream.

    Args:
        read: reads it, block by block.
        size: of a micro-batch.
        begin: where a run goes on; None: it begins.

    Raises:
        DataError: the first block cannot be read.
    """

    has_epochs = False

    def __init__(
        self,
        read: Read,
        adapter: TaskAdapter,
        size: StepSize,
        arguments: TrainingArguments,
        begin: StreamPlace | None = None,
    ) -> None:
        self._adapter, self._size, self._arguments = adapter, size, arguments
        self._ahead = _Ahead(read(None if begin is None else begin.begin))
        found = self._ahead.take()
        place = begin or StreamPlace(0, 0, 0, 0.0, found.begin)
        self._block = self._planned(found, place)
        self._before: _Planned | None = None  # a step of it may still be looked at
        if begin is None:
            count = adapter.count_items(found.encoded) / len(self._block.steps)
            self._block.place = dataclasses.replace(place, items_per_step=count)
        self.items_per_step = self._block.place.items_per_step

    def loading(self) -> Loading:
        """Returns micro-batches by their steps, all of a run being one epoch to PyTorch's loader."""
        num_micro_batches = self._arguments.gradient_accumulation_steps
        return Loading(_OfStream(self), _StepSampler(self._arguments.max_steps, num_micro_batches), _only)

    def micro_batch(self, step: int, number: int) -> dict[str, Any]:
        """Returns a micro-batch of this rank, as `PartsCollator` does.

        Raises:
            BrokenStream: the block that is needed cannot be read.
        """
        while step >= self._block.next_place.first_step:
            self._advance()
        block = self._block
        rows = block.steps[step - block.place.first_step]
        wanted = rows_of_rank(block.plan, rows, self._arguments.process_index, epoch=block.place.block)[number]
        made = block.collator(block.rows.__getitems__(wanted))
        return {**made, PARTS: [block.numbered(part) for part in made[PARTS]]}

    def split(self, part: Batch, most_positions: int) -> list[Batch]:
        """Returns the rows of a part as smaller parts."""
        assert part.row_indices is not None
        block = self._block_of(int(part.row_indices[0])) or self._block
        own = dataclasses.replace(part, row_indices=part.row_indices - block.place.first_row)
        smaller = block.collator.split(
            own, block.found.encoded, epoch=block.place.block, most_positions=most_positions
        )
        return [block.numbered(one) for one in smaller]

    def longest(self, rows: np.ndarray) -> int:
        """Returns the positions of the longest of some rows."""
        block = self._block_of(int(rows[0])) or self._block
        return int(block.found.encoded.costs[rows - block.place.first_row].max())

    def num_items(self, rows: np.ndarray) -> int:
        """Returns the terms of the loss of some rows."""
        block = self._block_of(int(rows[0])) or self._block
        return int(block.item_counts[rows - block.place.first_row].sum())

    def names(self, rows: Sequence[int]) -> list[str]:
        """Returns where rows stand."""
        return [name for row in rows for name in self._names(row)]

    def facts(self, num_steps: int) -> dict[str, Any]:
        """Returns how many rows were trained on, how they were dealt, and what was left out up to the last block."""
        # The loader may have begun the next block already.
        block = self._block if self._block.place.first_step <= num_steps else self._before or self._block
        of_block = block.steps[: num_steps - block.place.first_step]
        num_rows = block.place.first_row + sum(map(len, of_block))
        dealt = dealt_facts(block.plan)
        return {**dealt, "num_rows_streamed": num_rows, "num_rows_left_out": block.found.num_left_out}

    def save(self, checkpoint: Path, step: int) -> None:
        """Writes where the stream is read on from."""
        GlobalBatch.of(self._block.plan, endless=True).save(checkpoint)
        blocks = [block for block in (self._before, self._block) if block is not None]
        places = [*(block.place for block in blocks), blocks[-1].next_place]
        next(place for place in reversed(places) if place.first_step <= step).save(checkpoint)

    def close(self) -> None:
        """Ends the thread that reads ahead."""
        self._ahead.close()

    def _planned(self, found: EncodedBlock, place: StreamPlace) -> _Planned:
        return _Planned(found, place, self._adapter, self._size, self._arguments)

    def _advance(self) -> None:
        try:
            found = self._ahead.take()
        except DataError as error:
            raise BrokenStream(error) from error
        self._before, self._block = self._block, self._planned(found, self._block.next_place)

    def _block_of(self, row: int) -> _Planned | None:
        return next((block for block in (self._block, self._before) if block is not None and block.holds(row)), None)

    def _names(self, row: int) -> Sequence[str]:
        block = self._block_of(row)
        return (
            [f"row {row:,} of the stream"] if block is None else block.found.name_rows([row - block.place.first_row])
        )


class _MicroBatch(NamedTuple):
    step: int
    number: int


class _OfStream(Dataset[Any]):
    """Micro-batches by their steps, which are asked for in their order."""

    def __init__(self, data: StreamedData) -> None:
        self._data = data

    def __getitems__(self, wanted: Sequence[_MicroBatch]) -> list[Any]:
        return [self._data.micro_batch(*one) for one in wanted]


class _StepSampler(Sampler[list[_MicroBatch]]):
    """Yields the micro-batches of all steps of a run, one at a time; a run that goes on passes over the first ones."""

    drop_last = False

    def __init__(self, num_steps: int, num_micro_batches: int) -> None:
        self._num_steps, self._num_micro_batches = num_steps, num_micro_batches

    def __len__(self) -> int:
        return self._num_steps * self._num_micro_batches

    def __iter__(self) -> Iterator[list[_MicroBatch]]:
        for step in range(self._num_steps):
            for number in range(self._num_micro_batches):
                yield [_MicroBatch(step, number)]


def _only(items: Sequence[Any]) -> Any:
    (item,) = items
    return item


class _Ahead:
    """Reads one item further than the one that was taken, in a thread; what it raises is raised when it is taken."""

    def __init__(self, items: Iterator[EncodedBlock]) -> None:
        self._items = items
        self._thread = ThreadPoolExecutor(1, "stream")
        self._next = self._thread.submit(next, items)

    def take(self) -> EncodedBlock:
        item = self._next.result()
        self._next = self._thread.submit(next, self._items)
        return item

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
