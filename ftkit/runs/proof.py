"""The proof: what was saved is loaded again from disk and must reproduce the trained model's own predictions.

It must also reproduce what has been written for people to read: of each scored split, rows from all over its
predictions, which several processes may have computed.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.rows import Arrays
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.data.cells import shown
from ftkit.data.files import json_safe
from ftkit.data.predicted_files import PredictedFile
from ftkit.errors import NothingFits, RunError
from ftkit.kinds.kind import Kind
from ftkit.models.quantization import move
from ftkit.runs.files import PREDICTIONS
from ftkit.runs.loading import load_model, load_task_adapter
from ftkit.types import Split

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ftkit.engine.batching import BatchLimits

SAMPLE_ROWS = 32
TOLERANCE = 1e-5  # of probabilities, and of numbers above 1 a share: the same float32 weights on the same machine
ROUNDING = 1e-4  # of those that were computed beside other rows


def prove(
    folder: Path,
    config: RunConfig,
    *,
    kind: Kind,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    split: Split,
    published: Mapping[str, Split],
    limits: BatchLimits,
) -> dict[str, Any]:
    """Compares the model in memory with the one on disk, processor included, and that one with the predictions.

    Args:
        folder: where the run was saved.
        kind: of its task.
        model: the trained model in memory.
        split: examples to predict; the first few are used.
        published: splits of which there are predictions in `folder`.

    Returns:
        What was compared and the largest difference, for `all_results.json`.

    Raises:
        RunError: the saved model predicts something else, or the predictions are not its own.
    """
    sample = _sample(adapter, split)
    reloaded = load_task_adapter(folder, config, kind=kind)
    expected = _outputs(model, adapter, sample, limits)
    # With padding, whatever the run left out: what is saved predicts the same in programs that know nothing of it.
    padded = config.model_copy(update={"train": config.train.model_copy(update={"unpad": False})})
    loaded = move(load_model(folder, padded, reloaded), model.device)
    found = _outputs(loaded, reloaded, sample, limits)
    difference = max(largest_difference(expected[name], found[name]) for name in expected)
    same = bool(np.array_equal(expected["predictions"], found["predictions"]))
    floating = expected["predictions"].dtype.kind == "f"
    if difference > TOLERANCE or not (same or floating):
        raise RunError(
            f"The proof failed: the model loaded from {folder} differs from the trained one by {difference:.2g} "
            f"(at most {TOLERANCE:g} is allowed). The run was not finished; what was saved is in that folder."
        )
    reproduced = {name: _reproduced(loaded, reloaded, folder, scored, limits) for name, scored in published.items()}
    written = found.get("cut_off")
    return {
        "reloaded_from_disk": True,
        "rows": len(sample),
        **({} if written is None else {"texts_written": len(written), "texts_ended": int((~written).sum())}),
        "same_predictions": same,
        "max_difference": difference,
        "tolerance": TOLERANCE,
        "published_rows": sum(reproduced.values()),
    }


def _sample(adapter: TaskAdapter, split: Split) -> Split:
    """Returns the first rows of a split; all of them where none of the first fits into what the model reads."""
    sample = Split("proof", split.source, split.examples[:SAMPLE_ROWS])
    try:
        adapter.preprocessor.encode_to_score(sample.examples, all_predicted=False)
    except NothingFits:
        return split
    return sample


def _reproduced(model: PreTrainedModel, adapter: TaskAdapter, folder: Path, split: Split, limits: BatchLimits) -> int:
    """Compares a sample of the predictions of a split with what a model predicts; returns how many rows that are.

    Rows are computed beside others than before, which changes the last digits of numbers, and may turn what is nearly
    a tie. Where it seems to, they are computed once more in the batches in which they were.

    Raises:
        RunError: they are others.
    """
    from ftkit.engine.predicting import WINDOW

    if adapter.objective.is_measured:
        return 0  # it has no predictions
    window = split.examples[:WINDOW]
    places = np.unique(np.linspace(0, len(window) - 1, num=min(SAMPLE_ROWS, len(window)), dtype=int)).tolist()
    lines = _lines(folder / PREDICTIONS / f"{split.name}.jsonl", places)
    as_written = functools.partial(_as_written, lines, folder / PREDICTIONS)
    found = as_written(_predictions(model, adapter, [window[place] for place in places], limits))
    if not _are_same(lines, found):
        again = _predictions(model, adapter, window, limits)
        found = as_written([again[place] for place in places])
    differing = [(place, *pair) for place, *pair in zip(places, lines, found, strict=True) if not _is_same(*pair)]
    if differing:
        place, line, now = differing[0]
        raise RunError(
            f"The proof failed: {len(differing)} of {len(places)} rows of {PREDICTIONS}/{split.name}.jsonl are not "
            f"what the saved model predicts; row {place + 1} is {shown(line)}, the model predicts {shown(now)}. The "
            f"run was not finished; what was saved is in {folder}."
        )
    return len(places)


def _lines(path: Path, places: Sequence[int]) -> list[dict[str, Any]]:
    """Returns some rows of a file of predictions, without their ids."""
    with path.open(encoding="utf-8") as file:
        lines = list(itertools.islice(file, places[-1] + 1))
    rows = [json.loads(lines[place]) for place in places]
    return [{key: value for key, value in row.items() if key != "id"} for row in rows]


def _predictions(
    model: PreTrainedModel, adapter: TaskAdapter, examples: Sequence[Any], limits: BatchLimits
) -> Sequence[dict[str, Any]]:
    """Returns what a model predicts."""
    from ftkit.engine.predicting import predict_all

    encoded = adapter.preprocessor.encode_to_score(examples)
    arrays = predict_all(model, adapter, encoded.inputs, limits)
    return adapter.objective.decode(arrays, examples)


def _as_written(lines: Sequence[dict[str, Any]], folder: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns predictions as a file of them has them: a file's path where the bytes are those of the file, else None.

    Args:
        lines: the rows that were written.
        folder: where paths in them begin.
    """

    def cell_of(cell: Any, written: Any) -> Any:
        if not isinstance(cell, PredictedFile):
            return cell
        return written if (folder / written).read_bytes() == cell.content() else None

    found = (
        {name: cell_of(cell, line.get(name)) for name, cell in row.items()}
        for row, line in zip(rows, lines, strict=True)
    )
    return [json.loads(json.dumps(json_safe(row))) for row in found]


def _are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(map(_is_same, one, other))


def _is_same(one: Any, other: Any) -> bool:
    """Tells whether two values of JSON are the same, numbers up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return _are_same(one, other)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return bool(one == other)


def _outputs(model: PreTrainedModel, adapter: TaskAdapter, sample: Split, limits: BatchLimits) -> Arrays:
    from ftkit.engine.evaluation import mean_loss, row_measures
    from ftkit.engine.predicting import predict_all

    encoded = adapter.preprocessor.encode_to_score(sample.examples, all_predicted=False)
    measured = adapter.objective.is_measured
    losses = np.empty(0)
    if measured:
        rows = encoded.inputs if encoded.targets is None else encoded.targets
        measures = row_measures(model, adapter, rows, limits)
        losses = np.concatenate(
            [measures[name] / np.maximum(measures["items"], 1) for name in adapter.objective.proven]
        )
        if not encoded.chosen:
            return {"predictions": losses}
    arrays = predict_all(model, adapter, encoded.inputs, limits)
    if measured:
        arrays["loss"] = losses
    elif encoded.targets is not None:
        # Equal texts can hide small differences; the loss cannot.
        arrays["loss"] = np.array([mean_loss(model, adapter, encoded.targets, limits)])
    return {name: _flat(array) for name, array in arrays.items()}


def _flat(array: np.ndarray) -> np.ndarray:
    """Returns arrays of arrays, such as one for each sentence, as one; other arrays as they are."""
    holds_arrays = array.dtype == object and len(array) and isinstance(array[0], np.ndarray)
    return np.concatenate(list(array)) if holds_arrays else array


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the largest difference; of numbers above 1, such as losses summed over pixels, as a share of them."""
    if one.dtype == object:
        return 0.0  # texts: equal or not, which is compared as a whole
    expected, found = (array.astype(np.float64) for array in (one, other))
    return float((np.abs(expected - found) / np.maximum(np.abs(expected), 1.0)).max(initial=0.0))
