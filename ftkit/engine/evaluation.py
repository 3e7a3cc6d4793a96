"""Forward passes over encoded rows: length-sorted batches, results in input order, constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.adapter import Adapter, Arrays, Encoded
from ftkit.engine.batching import BatchLimits, cut, pad
from ftkit.types import Split

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

    from ftkit.metrics import Scorer


@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring labelled rows, in row order.

    Attributes:
        metrics: `loss` (mean per item) and what the scorer computed.
        predictions: as the adapter finishes them, (N, ...).
        references: the expected ones, in the same shape.
        confidences: probability of what was predicted, (N,), for single labels; else None.
    """

    metrics: dict[str, Any]
    predictions: np.ndarray
    references: np.ndarray
    confidences: np.ndarray | None


WINDOW = 4_096  # examples sorted by length at a time: enough for little padding, few enough to hold in memory


def predict_windows(
    model: PreTrainedModel, adapter: Adapter, encoded: Encoded, limits: BatchLimits, *, shared: bool = False
) -> Iterator[tuple[int, int, Arrays]]:
    """Yields `(start, stop, arrays)` for one window of examples after another, arrays in their order.

    Args:
        model: on the device where it is to run.
        encoded: rows made by `adapter.encode_prompt`.
        shared: all processes call this together; each predicts a share of the rows, and all get the whole.
    """
    for start in range(0, len(encoded), WINDOW):
        stop = min(start + WINDOW, len(encoded))
        arrays = _predict(model, adapter, encoded, encoded.rows_of(start, stop), limits, shared)
        yield start, stop, adapter.finish(arrays, encoded, start, stop)


@torch.inference_mode()
def _predict(
    model: PreTrainedModel, adapter: Adapter, encoded: Encoded, rows: np.ndarray, limits: BatchLimits, shared: bool
) -> Arrays:
    """Predicts some rows, sorted by length, and returns them in their own order."""
    order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
    # Longest first: a batch that does not fit in memory fails at once, not at the end.
    batches = cut(encoded.lengths, order, limits)[::-1]
    mine = share_of(batches) if shared else batches
    predicted = [_run(model, adapter, encoded, batch) for batch in mine]
    predicted = gather(predicted) if shared else predicted
    places = np.argsort(np.concatenate([batch for batch, _ in predicted]), kind="stable")
    return {name: join([arrays[name] for _, arrays in predicted])[places] for name in predicted[0][1]}


def _run(model: Any, adapter: Adapter, encoded: Encoded, batch: np.ndarray) -> tuple[np.ndarray, Arrays]:
    inputs = pad(encoded.rows.__getitems__(batch.tolist()), adapter.padding, left=encoded.pads_left)
    inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}
    return batch, {name: tensor.cpu().numpy() for name, tensor in adapter.run(model, inputs).items()}


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Joins batches row by row; rows of different widths become an array of arrays, (R,) of objects."""
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    rows = np.empty(sum(map(len, parts)), object)
    rows[:] = [row for part in parts for row in part]
    return rows


def share_of(batches: list[np.ndarray]) -> list[np.ndarray]:
    """Returns every n-th batch on each of n processes."""
    from accelerate import PartialState

    state = PartialState()
    return batches[state.process_index :: state.num_processes]


def gather(predicted: list[tuple[np.ndarray, Arrays]]) -> list[tuple[np.ndarray, Arrays]]:
    """Returns what all processes predicted, on each of them."""
    from accelerate import PartialState

    if PartialState().num_processes == 1:
        return predicted
    from accelerate.utils import gather_object

    return gather_object(predicted)


@torch.inference_mode()
def mean_loss(model: PreTrainedModel, adapter: Adapter, encoded: Encoded, limits: BatchLimits) -> float:
    """Returns the loss per item over rows made by `adapter.encode`: of texts, with each token's true predecessors."""
    losses = []
    batches = cut(encoded.lengths, np.argsort(encoded.lengths, kind="stable"), limits)
    with evaluating(model):
        for batch in share_of(batches):
            inputs = pad(encoded.rows.__getitems__(batch.tolist()), adapter.padding)
            inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}
            labels = inputs.pop("labels")
            losses.append((batch, {"loss": adapter.loss(model(**inputs), labels).cpu().numpy()}))
    total = sum(float(arrays["loss"].sum()) for _, arrays in gather(losses))
    return total / adapter.count_items(encoded)


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Switches dropout off, and back to what it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def evaluate(
    model: PreTrainedModel,
    adapter: Adapter,
    split: Split,
    encoded: Encoded,
    scorer: Scorer,
    limits: BatchLimits,
    *,
    on_window: Callable[[Sequence[Any], Arrays], None] | None = None,
) -> Evaluation:
    """Scores a model on labelled examples; of each it keeps the prediction, and scores only where a metric asks.

    On several processes all call this together, and all get the result.

    Args:
        encoded: the rows of the split, made by `adapter.encode_prompt`.
        on_window: called with each window's examples and their arrays, in order.
    """
    keep = {"predictions", "loss", "confidences", "cut_off"} | ({"scores"} if scorer.needs_scores else set())
    kept: list[Arrays] = []
    with evaluating(model):
        for start, stop, arrays in predict_windows(model, adapter, encoded, limits, shared=True):
            kept.append({name: array for name, array in arrays.items() if name in keep})
            if on_window is not None:
                on_window(split.examples[start:stop], arrays)
    found = {name: join([part[name] for part in kept]) for name in kept[0]}
    references = adapter.references(split.examples)
    metrics = scorer.compute(found["predictions"], references, found.get("scores"))
    if "loss" in found:
        metrics = {"loss": float(found["loss"].sum() / adapter.count_items(encoded)), **metrics}
    if adapter.writes_text:
        loss = mean_loss(model, adapter, adapter.encode(split), limits)
        metrics = {"loss": loss, **metrics, "cut_off_share": float(found["cut_off"].mean())}
    return Evaluation(metrics, found["predictions"], references, found.get("confidences"))
