"""Forward passes over encoded rows: length-sorted batches, results in input order, constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.adapter import Adapter, Arrays, Encoded
from ftkit.engine.batching import BatchLimits, cut, pad

if TYPE_CHECKING:
    from torch.nn import Module

    from ftkit.metrics import Scorer

@dataclass(frozen=True)
class Evaluation:
    """The outcome of scoring labelled rows, in row order.

    Attributes:
        metrics: `loss` (mean per item) and what the scorer computed.
        predictions: as the adapter reduces them, (N, ...).
        references: the expected ones, in the same shape.
        confidences: probability of what was predicted, (N,), for single labels; else None.
    """

    metrics: dict[str, Any]
    predictions: np.ndarray
    references: np.ndarray
    confidences: np.ndarray | None


WINDOW = 4_096  # rows sorted by length at a time: enough for little padding, few enough to hold in memory


def predict_windows(
    model: Module, adapter: Adapter, encoded: Encoded, limits: BatchLimits, *, share: slice | None = None
) -> Iterator[tuple[int, Arrays]]:
    """Yields `(first row, arrays)` for one window of rows after another, arrays in row order.

    Args:
        model: on the device where it is to run.
        share: the part of each window that this process takes; all of it by default.
    """
    for start in range(0, len(encoded), WINDOW):
        rows = np.arange(start, min(start + WINDOW, len(encoded)))
        rows = rows[share] if share is not None else rows
        yield start, _predict(model, adapter, encoded, rows, limits)


@torch.inference_mode()
def _predict(model: Module, adapter: Adapter, encoded: Encoded, rows: np.ndarray, limits: BatchLimits) -> Arrays:
    order = rows[np.argsort(encoded.lengths[rows], kind="stable")]
    # Longest first: a batch that does not fit in memory fails at once, not at the end.
    batches = cut(encoded.lengths, order, limits)[::-1]
    reduced = [_forward(model, adapter, encoded, batch) for batch in batches]
    if not reduced:
        return {}
    places = np.argsort(np.concatenate(batches), kind="stable")
    return {name: np.concatenate([part[name] for part in reduced])[places] for name in reduced[0]}


def _forward(model: Any, adapter: Adapter, encoded: Encoded, batch: np.ndarray) -> Arrays:
    inputs = pad(encoded.rows.__getitems__(batch.tolist()), adapter.padding)
    inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}
    labels = inputs.pop("labels", None)
    outputs = model(**inputs)
    reduced = adapter.reduce(outputs)
    if labels is not None:
        reduced["loss"] = adapter.loss(outputs, labels)
        reduced["references"] = labels
    return {name: tensor.cpu().numpy() for name, tensor in reduced.items()}


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
    model: Module,
    adapter: Adapter,
    encoded: Encoded,
    scorer: Scorer,
    limits: BatchLimits,
    *,
    on_window: Callable[[int, Arrays], None] | None = None,
) -> Evaluation:
    """Scores a model on labelled rows; of each row it keeps the prediction, and scores only where a metric asks.

    Every process takes its share of each window, and all get the result.

    Args:
        on_window: called with each window's first row and its arrays, in order, on the main process.
    """
    from accelerate import PartialState

    state = PartialState()
    keep = {"predictions", "references", "loss", "confidences"} | ({"scores"} if scorer.needs_scores else set())
    kept: list[Arrays] = []
    share = slice(state.process_index, None, state.num_processes)
    with evaluating(model):
        for start, part in predict_windows(model, adapter, encoded, limits, share=share):
            window = _gather(part, state.num_processes)
            kept.append({name: array for name, array in window.items() if name in keep})
            if on_window is not None and state.is_main_process:
                on_window(start, window)
    arrays = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    loss = float(arrays["loss"].sum() / adapter.count_items(encoded))
    scores = scorer.compute(arrays["predictions"], arrays["references"], arrays.get("scores"))
    return Evaluation(
        metrics={"loss": loss, **scores},
        predictions=arrays["predictions"],
        references=arrays["references"],
        confidences=arrays.get("confidences"),
    )


def _gather(part: Arrays, num_processes: int) -> Arrays:
    """Joins the shares of one window; row i came from process i modulo their number."""
    if num_processes == 1:
        return part
    from accelerate.utils import gather_object

    parts = [piece for piece in gather_object([part]) if piece]
    total = sum(len(next(iter(piece.values()))) for piece in parts)
    whole: Arrays = {}
    for name, example in parts[0].items():
        whole[name] = np.empty((total, *example.shape[1:]), example.dtype)
        for rank, piece in enumerate(parts):
            whole[name][rank::num_processes] = piece[name]
    return whole
