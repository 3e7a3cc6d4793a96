"""Forward passes over encoded rows: length-sorted batches, results in input order, constant memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.adapter import Adapter, Arrays, Encoded
from ftkit.engine.batching import BatchLimits, StepSize, cut, pad, parts
from ftkit.engine.token_rows import unpadding, with_padding
from ftkit.train_spec import TrainSpec
from ftkit.types import Split

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

    from ftkit.metrics.scorer import Scorer


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

# Few texts at once are fastest on a CPU: what a layer hands to the next stays in its cache, and lengths differ less.
# MiniLM on one core, banking77, thousands of tokens a second in fp32: 256 gave 7.0, 512 and 1024 gave 7.4, 2048 gave
# 7.1, 4096 gave 5.9, and 64 texts 6.6. Texts twelve times as long: 6.1, 6.5, 6.6, 6.4, 5.8. More cores share a batch.
CPU_TOKENS = 1024
CPU_BATCH_COST = 32.0  # tokens that could be computed in the time that a batch takes beside its arithmetic
# Few texts differ much in length, and batches are cut where little is padded. Among many there are enough of every
# length to cut full batches, whose sizes recur: oneDNN keeps half a megabyte for every size that it has met.
FEW_BATCHES = 16
WRITING_ROWS = 64  # every text that is written keeps keys and values in memory, times the beams of the search


def prediction_limits(train: TrainSpec, *, device_type: str, writes_text: bool) -> BatchLimits:
    """Returns the bounds of a batch that is predicted or scored: those of a config, or else what suits the device.

    Args:
        device_type: such as `cpu` or `cuda`.
        writes_text: predictions are texts, written token by token.
    """
    rows, tokens = train.per_device_eval_batch_size, train.max_tokens_at_once
    if rows is not None or writes_text:
        return BatchLimits(rows or WRITING_ROWS, tokens)
    if device_type != "cpu":
        return BatchLimits(math.inf, tokens)
    return BatchLimits(math.inf, min(CPU_TOKENS, tokens), CPU_BATCH_COST)


def length_batches(lengths: np.ndarray, rows: np.ndarray, limits: BatchLimits) -> list[np.ndarray]:
    """Groups rows of near-equal lengths into batches, short ones first.

    Args:
        lengths: tokens of each row, (R,).
        rows: indices of the rows to group.
    """
    are_many = int(lengths[rows].sum()) > FEW_BATCHES * limits.max_tokens
    if are_many or math.isinf(limits.batch_cost):
        return cut(lengths, rows[np.argsort(lengths[rows], kind="stable")], limits)
    assert math.isinf(limits.max_rows)
    size = StepSize(rows=None, tokens=None, max_tokens_at_once=limits.max_tokens, part_cost=limits.batch_cost)
    return [rows[part] for part in parts(lengths[rows].tolist(), size)]


def predict_windows(
    model: PreTrainedModel,
    adapter: Adapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    shared: bool = False,
    autocast: torch.dtype | None = None,
) -> Iterator[tuple[int, int, Arrays]]:
    """Yields `(start, stop, arrays)` for one window of examples after another, arrays in their order.

    Args:
        model: on the device where it is to run.
        encoded: rows made by `adapter.encode_prompt`.
        shared: all processes call this together; each predicts a share of the rows, and all get the whole.
        autocast: what is computed in, where it is not the type of the weights.
    """
    for start in range(0, len(encoded), WINDOW):
        stop = min(start + WINDOW, len(encoded))
        batches = length_batches(encoded.lengths, encoded.rows_of(start, stop), limits)
        arrays = _predict(model, adapter, encoded, batches, shared, autocast)
        yield start, stop, adapter.finish(arrays, encoded, start, stop)


@torch.inference_mode()
def _predict(
    model: PreTrainedModel,
    adapter: Adapter,
    encoded: Encoded,
    batches: list[np.ndarray],
    shared: bool,
    autocast: torch.dtype | None,
) -> Arrays:
    """Predicts batches of rows and returns the rows in their own order."""
    # Longest first: a batch that does not fit in memory fails at once, not at the end.
    mine = share_of(batches[::-1]) if shared else batches[::-1]
    on_device = [(batch, _run(model, adapter, encoded, batch, autocast)) for batch in mine]
    # Only now is a GPU waited for, when all batches are on their way.
    predicted = [
        (batch, {name: tensor.cpu().numpy() for name, tensor in tensors.items()}) for batch, tensors in on_device
    ]
    predicted = gather(predicted) if shared else predicted
    places = np.argsort(np.concatenate([batch for batch, _ in predicted]), kind="stable")
    return {name: join([arrays[name] for _, arrays in predicted])[places] for name in predicted[0][1]}


def _run(
    model: Any, adapter: Adapter, encoded: Encoded, batch: np.ndarray, autocast: torch.dtype | None
) -> dict[str, torch.Tensor]:
    inputs = pad(encoded.rows.__getitems__(batch.tolist()), adapter.padding, left=encoded.pads_left)
    # A text that is written grows token by token, behind keys and values that are kept padded.
    around = with_padding() if adapter.writes_text else unpadding(inputs["attention_mask"].sum(dim=1).tolist())
    inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}
    with around, torch.autocast(model.device.type, autocast, enabled=autocast is not None):
        return adapter.run(model, inputs)


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
def mean_loss(
    model: PreTrainedModel,
    adapter: Adapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    autocast: torch.dtype | None = None,
) -> float:
    """Returns the loss per item over rows made by `adapter.encode`: of texts, with each token's true predecessors."""
    losses = []
    batches = length_batches(encoded.lengths, np.arange(len(encoded.lengths)), limits)
    with evaluating(model), torch.autocast(model.device.type, autocast, enabled=autocast is not None):
        for batch in share_of(batches):
            inputs = pad(encoded.rows.__getitems__(batch.tolist()), adapter.padding)
            lengths = inputs["attention_mask"].sum(dim=1).tolist()
            inputs = {name: tensor.to(model.device, non_blocking=True) for name, tensor in inputs.items()}
            labels = inputs.pop("labels")
            with unpadding(lengths):
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
    autocast: torch.dtype | None = None,
) -> Evaluation:
    """Scores a model on labelled examples; of each it keeps the prediction, and scores only where a metric asks.

    On several processes all call this together, and all get the result.

    Args:
        encoded: the rows of the split, made by `adapter.encode_prompt`.
        on_window: called with each window's examples and their arrays, in order.
        autocast: what is computed in, where it is not the type of the weights.
    """
    keep = {"predictions", "loss", "confidences", "cut_off"} | ({"scores"} if scorer.needs_scores else set())
    kept: list[Arrays] = []
    with evaluating(model):
        for start, stop, arrays in predict_windows(model, adapter, encoded, limits, shared=True, autocast=autocast):
            kept.append({name: array for name, array in arrays.items() if name in keep})
            if on_window is not None:
                on_window(split.examples[start:stop], arrays)
    found = {name: join([part[name] for part in kept]) for name in kept[0]}
    references = adapter.references(split.examples)
    metrics = scorer.compute(found["predictions"], references, found.get("scores"))
    if "loss" in found:
        metrics = {"loss": float(found["loss"].sum() / adapter.count_items(encoded)), **metrics}
    if adapter.writes_text:
        loss = mean_loss(model, adapter, adapter.encode(split), limits, autocast=autocast)
        metrics = {"loss": loss, **metrics, "cut_off_share": float(found["cut_off"].mean())}
    return Evaluation(metrics, found["predictions"], references, found.get("confidences"))
