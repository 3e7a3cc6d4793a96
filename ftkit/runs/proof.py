"""The proof: what was saved is loaded again from disk and must reproduce the trained model's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.task_adapter import Arrays, TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.errors import RunError
from ftkit.kinds.kind import Kind
from ftkit.models.quantization import move
from ftkit.runs.loading import load_model, load_task_adapter
from ftkit.types import Split

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ftkit.engine.batching import BatchLimits

SAMPLE_ROWS = 32
TOLERANCE = 1e-5  # of probabilities and numbers: the same float32 weights on the same machine


def prove(
    folder: Path,
    config: RunConfig,
    *,
    kind: Kind,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    split: Split,
    limits: BatchLimits,
) -> dict[str, Any]:
    """Compares the model in memory with the one on disk, processor included.

    Args:
        folder: where the run was saved.
        kind: of its task.
        model: the trained model in memory.
        split: examples to predict; the first few are used.

    Returns:
        What was compared and the largest difference, for `all_results.json`.

    Raises:
        RunError: the saved model predicts something else.
    """
    sample = Split("proof", split.source, split.examples[:SAMPLE_ROWS])
    reloaded = load_task_adapter(folder, config, kind=kind)
    expected = _outputs(model, adapter, sample, limits)
    # With padding, whatever the run left out: what is saved predicts the same in programs that know nothing of it.
    padded = config.model_copy(update={"train": config.train.model_copy(update={"unpad": False})})
    loaded = move(load_model(folder, padded, reloaded), model.device)
    found = _outputs(loaded, reloaded, sample, limits)
    difference = max(_difference(expected[name], found[name]) for name in expected)
    same = bool(np.array_equal(expected["predictions"], found["predictions"]))
    floating = expected["predictions"].dtype.kind == "f"
    if difference > TOLERANCE or not (same or floating):
        raise RunError(
            f"The proof failed: the model loaded from {folder} differs from the trained one by {difference:.2g} "
            f"(at most {TOLERANCE:g} is allowed). The run was not finished; what was saved is in that folder."
        )
    return {
        "reloaded_from_disk": True,
        "rows": len(sample),
        "same_predictions": same,
        "max_difference": difference,
        "tolerance": TOLERANCE,
    }


def _outputs(model: PreTrainedModel, adapter: TaskAdapter, sample: Split, limits: BatchLimits) -> Arrays:
    from ftkit.engine.evaluation import evaluating, mean_loss, predict_windows, row_measures

    encoded = adapter.preprocessor.encode_to_score(sample.examples)
    if adapter.objective.is_measured:
        rows = encoded.inputs if encoded.targets is None else encoded.targets
        measures = row_measures(model, adapter, rows, limits)
        return {"predictions": measures["loss"] / np.maximum(measures["items"], 1)}
    with evaluating(model):
        arrays = next(predict_windows(model, adapter, encoded.inputs, limits))[2]
    if encoded.targets is not None:
        # Equal texts can hide small differences; the loss cannot.
        arrays["loss"] = np.array([mean_loss(model, adapter, encoded.targets, limits)])
    return {name: _flat(array) for name, array in arrays.items()}


def _flat(array: np.ndarray) -> np.ndarray:
    """Returns arrays of arrays, such as one for each sentence, as one; other arrays as they are."""
    holds_arrays = array.dtype == object and len(array) and isinstance(array[0], np.ndarray)
    return np.concatenate(list(array)) if holds_arrays else array


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype == object:
        return 0.0  # texts: equal or not, which is compared as a whole
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0.0))
