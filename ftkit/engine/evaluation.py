"""Scores of a model on labelled rows: by its predictions, or by what adds up over rows, such as losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.rows import Arrays, Encoded, EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.batching import BatchLimits
from ftkit.engine.current_batch import computing
from ftkit.engine.out_of_memory import computed_in_memory
from ftkit.engine.predicting import cost_batches, evaluating, join, predict_windows
from ftkit.engine.shared_work import gather, share_of
from ftkit.errors import DataError
from ftkit.models.attention_kernels import attention_of_any_shape
from ftkit.types import Split

if TYPE_CHECKING:
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
    return total / adapter.count_items(encoded)


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
        metrics = {"loss": float(found["loss"].sum() / adapter.count_items(rows)), **metrics}
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
