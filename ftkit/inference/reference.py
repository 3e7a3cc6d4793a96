"""What a trained model is compared with where its kind does: the model that its run started from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ftkit.adapters.rows import EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.console import warn
from ftkit.engine.batching import BatchLimits
from ftkit.errors import CheckpointError, UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.kinds.kind import Kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.quantization import move
from ftkit.runs.trained_adapter import open_trained_adapter
from ftkit.tuners.saving import attach_adapter


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model that was opened for prediction, as far as its reference follows from it."""

    folder: Path
    config: RunConfig
    kind: Kind
    adapter: TaskAdapter
    model: Any


def with_reference(opened: Opened, rows: EncodedToScore, limits: BatchLimits) -> EncodedToScore:
    """Returns labelled rows with what the reference measures of them, where the kind compares with one.

    The reference is computed in float32, whatever the model is.

    Raises:
        CheckpointError: the model that the run started from is not there any more.
    """
    if not opened.adapter.objective.remembers:
        return rows
    from ftkit.engine import reference

    config, adapter = opened.config, opened.adapter
    is_peft = hasattr(opened.model, "disable_adapter")
    if config.run is not None and config.run.is_plain and not is_peft:
        warn(
            f"nothing tells what {opened.folder} was trained from, so rewards are left out: they compare an answer's "
            "likelihood with that before training."
        )
        return rows
    if is_peft and config.model.adapter is None:
        with opened.model.disable_adapter():
            found = reference.with_reference(opened.model, adapter, rows.told, limits)
    else:
        found = reference.with_reference(_starting_model(opened), adapter, rows.told, limits)
    return dataclasses.replace(rows, targets=found)


def _starting_model(opened: Opened) -> Any:
    """Returns what a run began with: its checkpoint, or an adapter on it.

    Raises:
        CheckpointError: it is not there, or others lie in its place.
    """
    config, adapter = opened.config, opened.adapter
    assert config.run is not None
    started = config.model.adapter
    try:
        is_on_base = config.run.base is not None  # else the weights are whole, and no longer those of the checkpoint
        spec = adapter.spec if is_on_base else inspect_checkpoint(config.model, trust_key=TRUST_WHEN_OPENED)
        options = config.run.adapter_options
        built = opened.kind.task_adapter(spec).make(
            spec, None, max_length=adapter.preprocessor.max_length, options=options
        )
        model: Any = built.objective.build().model
        if started is not None:
            model = attach_adapter(model, open_trained_adapter(started).folder)
    except UserError as error:
        raise CheckpointError(
            f"{opened.folder} is scored by how much likelier answers are than before it was trained, and what it was "
            f"then cannot be opened: {error}\nFix: put {started or config.model.checkpoint} back where it was."
        ) from None
    return move(model.eval(), opened.model.device)
