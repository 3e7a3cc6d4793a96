"""Forward passes over encoded rows: batches of near-equal costs, results in input order, constant memory."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.objective import Objective
from ftkit.adapters.rows import Arrays, Encoded, EncodedToScore, Tensors
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import TrainSpec
from ftkit.engine.batching import BatchLimits, StepSize, cut, parts
from ftkit.engine.current_batch import computing
from ftkit.engine.out_of_memory import computed_in_memory
from ftkit.errors import DataError, RunError
from ftkit.models.attention_kernels import attention_of_any_shape
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
        predictions: as the adapter finishes them, (N, ...); none, (0,), of a model that is judged by measures.
        references: the expected ones, in the same shape.
        confidences: probability of what was predicted, (N,), for single labels; else None.
        measures: what a model is judged by instead, by name, added up over the rows of each example, (N,).
        traits: those of the metrics that describe predictions and are no scores, such as how long they are.
        chosen: of a model that is judged by measures, the rows that were predicted all the same; None: none was.
    """

    metrics: dict[str, Any]
    predictions: np.ndarray
    references: np.ndarray
    confidences: np.ndarray | None = None
    measures: Arrays = field(default_factory=dict)
    traits: Mapping[str, float | None] = field(default_factory=dict)
    chosen: Sequence[int] | None = None


OnWindow = Callable[[Sequence[Any], Arrays], None]
"""Called with the examples of a window, and what was predicted of them."""

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


def is_shared() -> bool:
    """Tells whether a launcher has started several processes, which share the work."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def agreed(number: int) -> int:
    """Returns what the main process says, on all of them."""
    if not is_shared():
        return number
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState()
    return int(broadcast_object_list([number])[0])


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
@attention_of_any_shape()
def _measured(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    shared: bool,
    autocast: torch.dtype | None,
) -> list[tuple[np.ndarray, Arrays]]:
    """Returns batches of rows with targets, and what the objective measures of each row."""

    def measures_of(rows: np.ndarray) -> Arrays:
        batch = adapter.preprocessor.collate(encoded.rows.__getitems__(rows.tolist()), training=False, rngs=None)
        batch = batch.to(model.device, non_blocking=True)
        with computing(batch):
            found = adapter.objective.measure(model(**batch.inputs), batch)
        return {name: tensor.cpu().numpy() for name, tensor in found.items()}

    batches = cost_batches(encoded.costs, np.arange(encoded.num_rows), limits)
    batches = share_of(batches) if shared else batches
    with evaluating(model), torch.autocast(model.device.type, autocast, enabled=autocast is not None):
        measured = list(computed_in_memory(measures_of, batches, encoded.costs, model.device))
    return gather(measured) if shared else measured


def mean_loss(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    shared: bool = False,
    autocast: torch.dtype | None = None,
) -> float:
    """Returns the loss per item over rows with targets: of texts, with each token's true predecessors.

    Args:
        shared: all processes call this together; each computes a share of the rows, and all get the whole.
        autocast: what is computed in, where it is not the type of the weights.
    """
    measured = _measured(model, adapter, encoded, limits, shared, autocast)
    total = sum(float(arrays["loss"].sum()) for _, arrays in measured)
    return total / adapter.objective.count_items(encoded)


def row_measures(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    shared: bool = False,
    autocast: torch.dtype | None = None,
) -> Arrays:
    """Returns what the objective measures of rows with targets, in their order: name -> (R,) float64.

    Args:
        shared: as of `mean_loss`.
        autocast: likewise.
    """
    measured = _measured(model, adapter, encoded, limits, shared, autocast)
    order = np.argsort(np.concatenate([rows for rows, _ in measured]), kind="stable")
    return {
        name: np.concatenate([arrays[name] for _, arrays in measured]).astype(np.float64)[order]
        for name in measured[0][1]
    }


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
    adapter: TaskAdapter,
    split: Split,
    encoded: EncodedToScore,
    scorer: Scorer,
    limits: BatchLimits,
    *,
    on_window: OnWindow | None = None,
    autocast: torch.dtype | None = None,
    to_be_read: bool = True,
) -> Evaluation:
    """Scores a model on labelled examples; of each it keeps the prediction, and scores only where a metric asks.

    On several processes all call this together, and all get the result.

    Args:
        encoded: the rows of the split.
        on_window: called with each window's examples and their arrays, in order; not where nothing is predicted.
        autocast: what is computed in, where it is not the type of the weights.
        to_be_read: predict also what no metric reads, for people.
    """
    objective, rows = adapter.objective, encoded.inputs
    computing: Any = {"limits": limits, "autocast": autocast}
    if objective.is_measured:
        measured = _evaluate_measures(model, adapter, split, encoded, scorer, **computing)
        if not encoded.chosen or not (to_be_read or scorer.reads_predictions):
            return measured
        return _with_predictions(measured, model, adapter, split, encoded, scorer, on_window, **computing)
    found = _predictions(model, adapter, split.examples, rows, scorer, on_window, **computing)
    references = objective.references(split.examples)
    metrics = scorer.compute(found["predictions"], references, found.get("scores"))
    if encoded.targets is not None:
        loss = mean_loss(model, adapter, encoded.targets, limits, shared=True, autocast=autocast)
        metrics = {"loss": loss, **metrics}
    elif "loss" in found:
        metrics = {"loss": float(found["loss"].sum() / objective.count_items(rows)), **metrics}
    if "cut_off" in found:
        metrics["cut_off_share"] = float(found["cut_off"].mean())
    return Evaluation(metrics, found["predictions"], references, found.get("confidences"))


def _predictions(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    examples: Sequence[Any],
    rows: Encoded,
    scorer: Scorer,
    on_window: OnWindow | None,
    *,
    limits: BatchLimits,
    autocast: torch.dtype | None,
) -> Arrays:
    """Returns what is kept of the predictions of all examples."""
    keep = {"predictions", "loss", "confidences", "cut_off"} | ({"scores"} if scorer.needs_scores else set())
    kept: list[Arrays] = []
    with evaluating(model):
        for start, stop, arrays in predict_windows(model, adapter, rows, limits, shared=True, autocast=autocast):
            kept.append({name: array for name, array in arrays.items() if name in keep})
            if on_window is not None:
                on_window(examples[start:stop], arrays)
    return {name: join([part[name] for part in kept]) for name in kept[0]}


def _with_predictions(
    measured: Evaluation,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    split: Split,
    encoded: EncodedToScore,
    scorer: Scorer,
    on_window: OnWindow | None,
    **computing: Any,
) -> Evaluation:
    """Returns an evaluation with the predictions of those rows that were chosen, scored where a metric reads them."""
    chosen = encoded.chosen or ()
    examples = [split.examples[place] for place in chosen]
    found = _predictions(model, adapter, examples, encoded.inputs, scorer, on_window, **computing)
    references = adapter.objective.references(examples)
    metrics = dict(measured.metrics)
    if scorer.reads_predictions:
        metrics |= scorer.compute(found["predictions"], references, found.get("scores"))
    if "cut_off" in found:
        metrics["cut_off_share"] = float(found["cut_off"].mean())
    return replace(measured, metrics=metrics, predictions=found["predictions"], references=references, chosen=chosen)


def _evaluate_measures(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    split: Split,
    encoded: EncodedToScore,
    scorer: Scorer,
    *,
    limits: BatchLimits,
    autocast: torch.dtype | None,
) -> Evaluation:
    """Scores a model by what adds up over rows; the scorer gets the totals in the place of predictions.

    Raises:
        DataError: no row has anything to be predicted.
    """
    rows = encoded.inputs if encoded.targets is None else encoded.targets
    measures = row_measures(model, adapter, rows, limits, shared=True, autocast=autocast)
    totals = {name: float(array.sum()) for name, array in measures.items()}
    if not totals["items"]:
        raise DataError(f"{split.source}: nothing in its {len(split):,} rows can be predicted. Check what it holds.")
    metrics = {"loss": totals["loss"] / totals["items"], **scorer.compute_totals(totals)}
    return Evaluation(metrics, np.empty(0), np.empty(0), measures=_by_example(measures, rows))


def _by_example(measures: Arrays, encoded: Encoded) -> Arrays:
    """Returns measures of rows (R,) added up over the rows of each example, (N,)."""
    if encoded.first_rows is None:
        return measures
    sums = {name: np.concatenate([[0.0], np.cumsum(array)]) for name, array in measures.items()}
    return {name: np.diff(up_to[encoded.first_rows]) for name, up_to in sums.items()}
