"""What a run trains on: the rows of its training split, or a stream that is read and encoded block by block."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.console import note
from ftkit.engine.batching import StepSize
from ftkit.engine.stream import STREAM_FILE, EncodedBlock, Read, StreamedData, StreamPlace
from ftkit.engine.training_data import IndexedData
from ftkit.errors import RunError
from ftkit.kinds.stream import ExampleStream, Place
from ftkit.runs.checked_run import CheckedRun
from ftkit.types import Split

if TYPE_CHECKING:
    from transformers import TrainingArguments


def indexed_data(
    run: CheckedRun, arguments: TrainingArguments, adapter: TaskAdapter, rows: Encoded, size: StepSize
) -> IndexedData:
    """Returns the rows of the training split in optimizer steps.

    Args:
        rows: all of them.
        size: of a micro-batch.
    """
    return IndexedData(rows, adapter, size, arguments, name_rows=row_names(run.splits["train"], rows))


def row_names(split: Split, encoded: Encoded) -> Callable[[Sequence[int]], list[str]]:
    """Returns what says where rows stand: `file, line N (id)`, of the examples that they are rows of."""

    def name(index: int) -> str:
        example = split.examples[index]
        return f"{split.where(example)} (id {example.id})"

    return lambda rows: ["; ".join(map(name, encoded.examples_of(row))) for row in rows]


def open_stream(
    run: CheckedRun, arguments: TrainingArguments, adapter: TaskAdapter, size: StepSize, *, resume_from: Path | None
) -> StreamedData | None:
    """Returns the stream that a run trains on, its first block read; None where the training split is no stream.

    Args:
        size: of a micro-batch.
        resume_from: the checkpoint that the run goes on from; None: it begins.

    Raises:
        DataError: the first block cannot be read, or has a row that cannot be trained on.
        RunError: the checkpoint does not say where the stream goes on.
    """
    if not run.config.data.streaming:
        return None
    place = None if resume_from is None else _place_of(resume_from)
    if place is not None:
        run.directory.check_same_data(run.fingerprints)  # of other data the place would say nothing
        told = Place(**place.begin)
        note(f"the stream goes on in epoch {told.epoch + 1}, shard {told.shard + 1}, behind {told.taken:,} rows of it")
    return StreamedData(_reader(run, adapter), adapter, size, arguments, place)


def _place_of(checkpoint: Path) -> StreamPlace:
    try:
        return StreamPlace.load(checkpoint)
    except (OSError, ValueError, TypeError):
        raise RunError(
            f"{checkpoint / STREAM_FILE} is missing, or does not say where the stream goes on. Begin anew with "
            "overwrite=true."
        ) from None


def _reader(run: CheckedRun, adapter: TaskAdapter) -> Read:
    """Returns what reads blocks from a place on, and encodes them."""
    stream = ExampleStream(run.kind, run.task, run.columns, run.config.data, seed=run.config.seed)
    # Blocks are encoded beside the training, and a processor cannot be asked by two threads at once.
    preprocessor = copy.deepcopy(adapter.preprocessor)

    def read(begin: Mapping[str, Any] | None) -> Iterator[EncodedBlock]:
        for block in stream.blocks(run.labels, Place(**(begin or {}))):
            encoded = preprocessor.encode(block.split.examples, targets=True)
            encoded = preprocessor.to_train(encoded, block.split.examples)
            yield EncodedBlock(
                encoded,
                row_names(block.split, encoded),
                dataclasses.asdict(block.begin),
                dataclasses.asdict(block.end),
                block.end.left_out,
            )

    return read
