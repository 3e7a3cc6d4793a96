"""What a model measures of its rows before it is trained, where the loss compares with that: see `remembers`.

It is measured once, and kept with the run's checkpoints: a run that goes on compares with the very same numbers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ftkit.adapters.rows import REFERENCE, Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.files import atomic_write_json
from ftkit.engine.batching import BatchLimits
from ftkit.engine.evaluation import row_measures
from ftkit.engine.shared_work import is_shared
from ftkit.json_file import read_json_object

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def with_reference(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    shared: bool = False,
    autocast: torch.dtype | None = None,
) -> Encoded:
    """Returns rows with what the model measures of them in their column `reference`.

    Args:
        model: as it is before training, on the device where it is to run.
        shared: all processes call this together; each measures a share of the rows, and all get the whole.
        autocast: what is computed in, where it is not the type of the weights.
    """
    measures = row_measures(model, adapter, encoded, limits, shared=shared, autocast=autocast)
    return _joined(encoded, np.stack([measures[name] for name in adapter.objective.remembers], axis=1))


def kept_reference(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    encoded: Encoded,
    limits: BatchLimits,
    *,
    file: Path,
    facts: Mapping[str, Any],
    autocast: torch.dtype | None = None,
) -> Encoded:
    """Returns rows as `with_reference` does, from a file where it was measured before; all processes call this.

    Args:
        file: where it is kept, as JSON; the main process writes it.
        facts: what the numbers follow from beside the rows, such as fingerprints of the weights.
    """
    key = _fingerprint(encoded, {**facts, "autocast": str(autocast)})
    found = _from_main_process(_kept(file, key, encoded.num_rows))
    if found is not None:
        return _joined(encoded, found)
    measured = with_reference(model, adapter, encoded, limits, shared=True, autocast=autocast)
    if _is_main_process():
        values = measured.rows.with_format("numpy")[REFERENCE]
        atomic_write_json(file, {"fingerprint": key, REFERENCE: np.asarray(values).tolist()})
    return measured


def _joined(encoded: Encoded, values: np.ndarray) -> Encoded:
    from ftkit.adapters.preprocessors.tokens import dataset_of

    table = encoded.rows.data.table
    column = pa.array(values.tolist(), pa.list_(pa.float64()))
    return dataclasses.replace(encoded, rows=dataset_of(table.append_column(REFERENCE, column)))


def _fingerprint(encoded: Encoded, facts: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode())
    for batch in encoded.rows.data.table.to_batches():
        for column in batch.columns:
            for buffer in column.buffers():
                digest.update(b"" if buffer is None else buffer)
    return digest.hexdigest()


def _kept(file: Path, key: str, num_rows: int) -> np.ndarray | None:
    """Returns what a file holds for these rows and weights; None where it holds nothing of the kind."""
    if not _is_main_process():
        return None
    try:
        found = read_json_object(file)
        values = np.asarray(found[REFERENCE], np.float64)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return values if found.get("fingerprint") == key and len(values) == num_rows else None


def _is_main_process() -> bool:
    from ftkit.console import is_main_process

    return is_main_process()


def _from_main_process(value: np.ndarray | None) -> np.ndarray | None:
    if not is_shared():
        return value
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState()
    return broadcast_object_list([value])[0]
