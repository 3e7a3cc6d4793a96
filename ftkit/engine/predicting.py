"""Forward passes over encoded rows: batches of near-equal costs, results in input order, constant memory."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.objective import Objective
from ftkit.adapters.rows import Arrays, Encoded, Tensors
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import TrainSpec
from ftkit.engine.batching import BatchLimits, StepSize, cut, parts
from ftkit.engine.current_batch import computing
from ftkit.engine.out_of_memory import computed_in_memory
from ftkit.engine.shared_work import gather, share_of
from ftkit.errors import RunError
from ftkit.models.attention_kernels import attention_of_any_shape

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel


WINDOW = 4_096  # examples sorted by length at a time: enough for little padding, few enough to hold in memory
WINDOW_BYTES, FEWEST = 256 << 20, 64  # of the scores of so many labels that a window is smaller; its fewest examples

# Few texts at once are fastest on a CPU: what a layer hands to the next stays in its cache, and lengths differ less.
# MiniLM on one core, banking77, thousands of tokens a second in fp32: 256 gave 7.0, 512 and 1024 gave 7.4, 2048 gave
# 7.1, 4096 gave 5.9, and 64 texts 6.6. Texts twelve times as long: 6.1, 6.5, 6.6, 6.4, 5.8. More cores share a batch.
CPU_COST = 1024
CPU_BATCH_COST = 32.0  # positions that could be computed in the time that a batch takes beside its arithmetic
# Few texts differ much in length, and batches are cut where little is padded. Among many there are enough of every
# length to cut full batches, whose sizes recur: oneDNN keeps half a megabyte for every size that it has met.
FEW_BATCHES = 16


def prediction_limits(train: TrainSpec, objective: Objective, *, device_type: str) -> BatchLimits:
    """Returns the bounds of a batch that is predicted or scored: those of a config, or else what suits the device.

    Args:
        device_type: such as `cpu` or `cuda`.
    """
    rows, cost = train.per_device_eval_batch_size or objective.most_rows, train.max_cost_at_once(device_type)
    if rows is not None:
        return BatchLimits(rows, cost)
    if device_type != "cpu":
        return BatchLimits(math.inf, cost)
    return BatchLimits(math.inf, min(CPU_COST, cost), CPU_BATCH_COST)


def cost_batches(costs: np.ndarray, rows: np.ndarray, limits: BatchLimits) -> list[np.ndarray]:
    """Groups rows of near-equal costs into batches, short ones first.

    Args:
        costs: positions of each row, (R,).
        rows: indices of the rows to group.
    """
    are_many = int(costs[rows].sum()) > FEW_BATCHES * limits.max_cost
    if are_many or math.isinf(limits.batch_cost):
        return cut(costs, rows[np.argsort(costs[rows], kind="stable")], limits)
    assert math.isinf(limits.max_rows)
    size = StepSize(rows=None, cost=None, max_cost_at_once=limits.max_cost, part_cost=limits.batch_cost)
    return [rows[part] for part in parts(costs[rows].tolist(), size)]


def window_size(adapter: TaskAdapter) -> int:
    """Returns how many examples are predicted before the next are begun: 4,096; 671 with 100,000 labels; 32 masks."""
    if adapter.objective.window is not None:
        return adapter.objective.window
    num_labels = 1 if adapter.labels is None else len(adapter.labels)
    return min(WINDOW, max(FEWEST, WINDOW_BYTES // (4 * num_labels)))


def predict_windows(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    shared: bool = False,
    autocast: torch.dtype | None = None,
) -> Iterator[tuple[int, int, Arrays]]:
    """Yields `(start, stop, arrays)` for one window of examples after another, arrays in their order.

    Args:
        model: on the device where it is to run.
        encoded: rows to predict.
        shared: all processes call this together; each predicts a share of the rows, and all get the whole.
        autocast: what is computed in, where it is not the type of the weights.
    """
    size = window_size(adapter)
    with torch.inference_mode(), torch.autocast(model.device.type, autocast, enabled=autocast is not None):
        adapter.objective.begin_predicting(model)
    for start in range(0, len(encoded), size):
        stop = min(start + size, len(encoded))
        batches = cost_batches(encoded.costs, encoded.rows_of(start, stop), limits)
        arrays = _predict(model, adapter, encoded, batches, shared, autocast)
        finished = adapter.objective.finish(arrays, encoded, start, stop)
        _check_are_numbers(finished, start)
        yield start, stop, finished


def predict_all(
    model: PreTrainedModel, adapter: TaskAdapter, encoded: Encoded, limits: BatchLimits, *, shared: bool = False
) -> Arrays:
    """Returns the finished arrays of all examples.

    Args:
        shared: as of `predict_windows`.
    """
    with evaluating(model):
        parts = [arrays for _, _, arrays in predict_windows(model, adapter, encoded, limits, shared=shared)]
    return {name: join([part[name] for part in parts]) for name in parts[0]}


def _check_are_numbers(arrays: Arrays, start: int) -> None:
    """Raises RunError if the model has computed NaN for an example; a prediction made of it would look like one."""
    for name in ("predictions", "scores", "confidences"):
        damaged = _have_nan(arrays[name]) if name in arrays else np.zeros(0, bool)
        if not damaged.any():
            continue
        raise RunError(
            f"The model computes NaN for {int(damaged.sum())} of {len(damaged)} examples; the first of them is number "
            f"{start + int(damaged.argmax()) + 1} in its file. Its weights are too large for the precision that is "
            "computed in, or damaged: try fp32, or take an earlier checkpoint."
        )


def _have_nan(array: np.ndarray) -> np.ndarray:
    """Tells which rows hold NaN, (N,); rows may be arrays of their own lengths."""
    if array.dtype == object:
        numbers = (row if isinstance(row, np.ndarray) and row.dtype.kind == "f" else np.zeros(0) for row in array)
        return np.array([np.isnan(row).any() for row in numbers], bool)
    if array.dtype.kind != "f":
        return np.zeros(len(array), bool)
    return np.isnan(array.reshape(len(array), -1)).any(axis=1)


@torch.inference_mode()
@attention_of_any_shape()
def _predict(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    batches: list[np.ndarray],
    shared: bool,
    autocast: torch.dtype | None,
) -> Arrays:
    """Predicts batches of rows and returns the rows in their own order."""
    # Longest first: a batch that does not fit in memory fails at once, not at the end.
    mine = share_of(batches[::-1]) if shared else batches[::-1]
    compute = functools.partial(_run, model, adapter, encoded, autocast)
    on_device = list(computed_in_memory(compute, mine, encoded.costs, model.device))
    # Only now is a GPU waited for, when all batches are on their way.
    predicted = [
        (batch, {name: tensor.cpu().numpy() for name, tensor in tensors.items()}) for batch, tensors in on_device
    ]
    predicted = gather(predicted) if shared else predicted
    places = np.argsort(np.concatenate([batch for batch, _ in predicted]), kind="stable")
    return {name: join([arrays[name] for _, arrays in predicted])[places] for name in predicted[0][1]}


def _run(
    model: Any, adapter: TaskAdapter, encoded: Encoded, autocast: torch.dtype | None, rows: np.ndarray
) -> Tensors:
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__(rows.tolist()), training=False, rngs=None)
    batch = batch.to(model.device, non_blocking=True)
    with computing(batch), torch.autocast(model.device.type, autocast, enabled=autocast is not None):
        predicted = adapter.objective.predict(model, batch)
    assert predicted is not None, "what is judged by its loss alone is not predicted"
    return predicted


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Joins batches row by row; rows of different widths become an array of arrays, (R,) of objects."""
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    rows = np.empty(sum(map(len, parts)), object)
    rows[:] = [row for part in parts for row in part]
    return rows


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Switches dropout off, and back to what it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
