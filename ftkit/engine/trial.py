"""A trial of one short row, so that what a checkpoint cannot compute is told before anything is written.

Whether a model computes at all is known only when it does: some want inputs that nobody gives them, such as the boxes
of words, some a setting that their config lacks, some have files that do not belong together. Each says so in its own
way, deep inside of its first forward pass.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.rows import Batch, Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.arguments import is_sharded
from ftkit.engine.current_batch import computing
from ftkit.engine.memory_errors import is_out_of_memory
from ftkit.engine.pass_state import PassState
from ftkit.engine.predicting import evaluating
from ftkit.engine.ranks import first_line
from ftkit.engine.training_rows import row_generator
from ftkit.errors import CheckpointError, FtkitError
from ftkit.models.quantization import move

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments


def check_computes(
    model: Any, adapter: TaskAdapter, rows: Encoded, arguments: TrainingArguments, *, tuner: str
) -> None:
    """Computes the loss of the shortest row, without dropout and gradients, on the device of the run.

    The model keeps its buffers, and the random numbers to come stay the same. Every rank tries by itself; nothing is
    tried of a model that is shared out, of which no rank holds the whole.

    Args:
        rows: of the training data; of a stream the first.
        tuner: what was put on the model, a key of `METHODS`, for the message.

    Raises:
        CheckpointError: there is no such loss; it says what the model says.
    """
    if is_sharded(arguments):
        return
    move(model, arguments.device)
    # Rows that are compared with one another do not stand alone.
    shortest = _shortest(rows, 1 if adapter.objective.compares is None else 2)
    rngs = [row_generator(arguments.seed, 0, row) for row in shortest]
    batch = adapter.preprocessor.collate(rows.rows_to_train(shortest), training=True, rngs=rngs).to(arguments.device)
    try:
        with unchanged(model, arguments.device), torch.no_grad(), computing(batch):
            _losses(model, adapter, batch)
    except (FtkitError, OSError):
        raise
    except Exception as error:  # models raise what they like
        if is_out_of_memory(error):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        tuned = "" if tuner == "full" else f" with what tuner.method: {tuner} puts on it"
        raise CheckpointError(
            f"model.checkpoint: {adapter.spec.name!r}, of type {adapter.spec.model_type!r}, cannot compute a row of "
            f"train{tuned}. It says {type(error).__name__}: {first_line(error)} "
            f"({'/'.join(place.filename.split('/')[-2:])}, line {place.lineno}). Put right in its config.json or its "
            f"processor's files what that names, or choose another checkpoint{_or_tuner(tuner)}."
        ) from None


def _or_tuner(tuner: str) -> str:
    return "" if tuner == "full" else ", or tuner.method: full"


def _losses(model: Any, adapter: TaskAdapter, batch: Batch) -> torch.Tensor:
    """Returns the loss of each row, as training computes it."""
    outputs, objective = model(**batch.inputs), adapter.objective
    if objective.compares == "step":
        return objective.step_losses(model, objective.vectors(outputs, batch), 1.0)
    return objective.loss(outputs, batch)


def shortest_rows(adapter: TaskAdapter, rows: Encoded, count: int, device: torch.device) -> Batch:
    """Returns the shortest rows as a batch, unchanged by augmentation, for trials."""
    batch = adapter.preprocessor.collate(rows.rows.__getitems__(_shortest(rows, count)), training=False, rngs=None)
    return batch.to(device)


def _shortest(rows: Encoded, count: int) -> list[int]:
    found: list[int] = np.argsort(rows.costs, kind="stable")[:count].tolist()
    return found


@contextlib.contextmanager
def unchanged(model: Module, device: torch.device) -> Iterator[None]:
    """Switches dropout off, and puts back what passes change: buffers, mode, gradients, random numbers."""
    before = PassState(list(model.buffers()), device)
    with evaluating(model):
        try:
            yield
        finally:
            model.zero_grad()
            before.restore()
