"""A run directory -> the task adapter and the model it trained: a whole checkpoint, or an adapter on its base."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.errors import CheckpointError, UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.kinds.kind import Kind
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.fingerprint import graph_fingerprint, weights_fingerprint
from ftkit.models.processors import has_processor
from ftkit.models.spec import CheckpointSpec, ModelSpec
from ftkit.runs.open_run import is_export, saved_config
from ftkit.runs.trained_adapter import TrainedAdapter, check_adapter_weights
from ftkit.types import LabelSpace

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ftkit.engine.batching import BatchLimits

PEFT_PREFIXES = ("base_model.model.", "base_model.")
"""What stands before the names of a checkpoint's own modules in adapter_model.safetensors."""


def load_task_adapter(
    folder: Path,
    config: RunConfig,
    search: Mapping[str, int] | None = None,
    *,
    full_precision: bool = False,
    base: CheckpointSpec | None = None,
    needs_weights: bool = True,
    kind: Kind | None = None,
) -> TaskAdapter:
    """Makes a run's task adapter from its directory alone: processor, labels, limits and options as they were saved.

    Args:
        search: settings that win over the run's own, in kinds that write texts.
        full_precision: do not quantise the base of a trained adapter, though it was trained so.
        base: that of a trained adapter, already found and recognised.
        needs_weights: False for an exported model's folder.
        kind: of the run; by default found by its name.

    Raises:
        UserError: there are such settings, and nothing is written; or the base of a trained adapter is not there.
    """
    facts = config.run
    assert facts is not None
    kind = kind or find_kind(facts.kind)
    options = dict(facts.adapter_options)
    if search and "generation" not in kind.settings:
        raise UserError(f"{', '.join(search)}: nothing is written in {facts.kind}. Leave it out.")
    if search:
        options["generation"] = {**options["generation"], **search}
        options["max_new_tokens"] = search.get("max_new_tokens", options["max_new_tokens"])
    labels = _labels(folder, config, kind)
    spec = _spec(folder, config, base, full_precision=full_precision, needs_weights=needs_weights)
    return kind.task_adapter(spec).make(spec, labels, max_length=facts.max_length, options=options)


def load_model(folder: Path, config: RunConfig, adapter: TaskAdapter) -> PreTrainedModel:
    """Loads what a run trained, for prediction.

    Args:
        adapter: what `load_task_adapter` gave.

    Raises:
        CheckpointError: weights are missing, damaged or others than the run saved, the head's among them.
    """
    assert config.run is not None
    check_saved_weights(folder, config)
    loaded = adapter.objective.build()
    _check_head_is_saved(folder, config, loaded.new_parameters)
    model = loaded.model
    if config.train.unpad is True:
        from ftkit.speedups.unpad import unpad

        unpad(model)
    if config.run.base is not None:
        from ftkit.tuners.saving import attach_adapter

        model = attach_adapter(model, folder)
    return model.eval()


def check_saved_weights(folder: Path, config: RunConfig) -> None:
    """Refuses weights that are not those a run proved: of a whole model, a trained adapter or an exported model.

    Raises:
        CheckpointError: they have changed, or are gone.
    """
    facts = config.run
    assert facts is not None
    if facts.base is not None:
        check_adapter_weights(folder, facts.base)
        return
    exported = is_export(folder)
    found = graph_fingerprint(folder) if exported else weights_fingerprint(folder)
    if facts.weights is None or found == facts.weights:
        return
    file, what = ("model.onnx", "export wrote") if exported else ("model.safetensors", "run saved")
    raise CheckpointError(
        f"{folder}: the weights in {file} are not those that the {what} and proved: their fingerprint "
        "differs from run.weights in ftkit.yaml, so the file is damaged or was replaced. Copy the run directory "
        "again. If you have changed the weights yourself, remove that line of ftkit.yaml."
    )


def batch_limits(config: RunConfig, adapter: TaskAdapter, device: torch.device) -> BatchLimits:
    """Returns the bounds of a batch to predict."""
    from ftkit.engine.predicting import prediction_limits

    return prediction_limits(config.train, adapter.objective, device_type=device.type)


def pick_device(device: str | torch.device | None) -> torch.device:
    """Returns the device that was asked for; by default this process's own GPU if there is one.

    Of several processes on a machine each has its own, by its number there (LOCAL_RANK), as in training; where there
    are fewer GPUs than processes, they share them.
    """
    import torch

    if device is not None:
        return torch.device(device)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = os.environ.get("LOCAL_RANK")
    if local_rank is None:
        return torch.device("cuda")
    return torch.device("cuda", int(local_rank) % torch.cuda.device_count())


def _spec(
    folder: Path, config: RunConfig, base: CheckpointSpec | None, *, full_precision: bool, needs_weights: bool
) -> CheckpointSpec:
    """Returns what the weights are loaded from: the run itself, or the base of its trained adapter."""
    assert config.run is not None
    if config.run.base is None:
        whole = ModelSpec(checkpoint=str(folder), trust_remote_code=config.model.trust_remote_code)
        return inspect_checkpoint(whole, needs_weights=needs_weights, trust_key=TRUST_WHEN_OPENED)
    base = base or TrainedAdapter(folder, config, config.run, config.run.base).base_spec()
    quantization = None if full_precision else config.tuner.quantization
    # A plain PEFT adapter may come without a processor, and then reads with that of its base.
    place = str(folder) if has_processor(folder) or not config.run.is_plain else None
    base = dataclasses.replace(base, processor_path=place, quantization=quantization)
    return base.beside(config.tuner.prompt_length)


def _labels(folder: Path, config: RunConfig, kind: Kind) -> LabelSpace | None:
    """Returns the labels that were trained on, in output order; None of a kind without."""
    assert config.run is not None
    declared = config.run.declared
    if config.run.is_plain and declared is not None:
        if declared.labels is None or declared.problem_type is None:
            return None
        return LabelSpace(declared.labels, declared.problem_type)
    saved = saved_config(folder)
    try:
        return kind.saved_labels(saved)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise CheckpointError(
            f"{folder / 'config.json'} names no labels that can be read: {error!r}. Copy the run again."
        ) from None


def _check_head_is_saved(folder: Path, config: RunConfig, new_parameters: frozenset[str]) -> None:
    """Refuses a model with parameters that neither a checkpoint nor an adapter provides: they would be random.

    Raises:
        CheckpointError: there are such.
    """
    assert config.run is not None
    missing = set(new_parameters)
    if config.run.base is not None:
        if not config.run.is_plain:
            return  # peft reports what it lacks of an adapter that ftkit wrote: its config names the whole head
        from ftkit.tuners.saving import read_state

        saved = set(read_state(folder))
        missing = {name for name in missing if not any(f"{prefix}{name}" in saved for prefix in PEFT_PREFIXES)}
    if missing:
        raise CheckpointError(
            f"{folder} holds no fine-tuned head for {config.run.kind}: {len(missing)} parameters, such as "
            f"{sorted(missing)[0]}, are in no file, and random numbers would stand in for them. Name a checkpoint "
            f"that was fine-tuned for {config.run.kind}, or train one: ftkit train CONFIG."
        )
