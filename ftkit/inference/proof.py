"""The proof: what was saved is loaded again from disk and must reproduce the trained model's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.adapter import Adapter, Arrays
from ftkit.config import RunConfig
from ftkit.errors import RunError
from ftkit.inference.loading import load_adapter, load_model
from ftkit.models.quantization import move
from ftkit.types import Split

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ftkit.engine.batching import BatchLimits

SAMPLE_ROWS = 32
TOLERANCE = 1e-5  # of probabilities and numbers: the same float32 weights on the same machine


def prove(
    folder: Path, config: RunConfig, *, model: PreTrainedModel, adapter: Adapter, split: Split, limits: BatchLimits
) -> dict[str, Any]:
    """Compares the model in memory with the one on disk, tokenizer included.

    Args:
        folder: where the run was saved.
        model: the trained model in memory.
        split: examples to predict; the first few are used.

    Returns:
        What was compared and the largest difference, for `all_results.json`.

    Raises:
        RunError: the saved model predicts something else.
    """
    sample = Split("proof", split.source, split.examples[:SAMPLE_ROWS])
    reloaded = load_adapter(folder, config)
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


def _outputs(model: PreTrainedModel, adapter: Adapter, sample: Split, limits: BatchLimits) -> Arrays:
    from ftkit.engine.evaluation import evaluating, mean_loss, predict_windows

    with evaluating(model):
        arrays = next(predict_windows(model, adapter, adapter.encode_prompt(sample), limits))[2]
    if adapter.writes_text:
        # Equal texts can hide small differences; the loss cannot.
        arrays["loss"] = np.array([mean_loss(model, adapter, adapter.encode(sample), limits)])
    return {name: _flat(array) for name, array in arrays.items()}


def _flat(array: np.ndarray) -> np.ndarray:
    """Returns arrays of arrays, such as one for each sentence, as one; other arrays as they are."""
    holds_arrays = array.dtype == object and len(array) and isinstance(array[0], np.ndarray)
    return np.concatenate(list(array)) if holds_arrays else array


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype == object:
        return 0.0  # texts: equal or not, which is compared as a whole
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0.0))
