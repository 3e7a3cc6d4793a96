"""Runs of trained adapters, written without training: what moves is drawn at random, so that it makes a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunFacts, load_config
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.runs.files import RESULTS_FILE
from ftkit.runs.trained_adapter import base_facts
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.saving import save_adapter
from ftkit.types import LabelSpace
from ftkit.version import __version__


def write_adapter_run(
    folder: Path,
    checkpoint: Path,
    tuner: str = "lora",
    *,
    kind: str = "text-classification",
    labels: tuple[str, ...] | LabelSpace | None = ("card", "sport", "weather"),
    columns: dict[str, str] | None = None,
    seed: int = 0,
    model: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **adapter_options: Any,
) -> Path:
    """Writes the directory of a finished run and returns it.

    Args:
        tuner: the method.
        labels: names of the head's outputs; None for kinds that write texts.
        columns: role -> column of what it would have been trained on.
        seed: of what would have been learnt.
        model: keys of the config's model section besides the checkpoint.
        options: keys of the config's tuner section besides the method.
        adapter_options: what the task adapter is made with.
    """
    config = load_config(
        {
            "task": kind,
            "model": {"checkpoint": str(checkpoint), **(model or {})},
            "data": {"train": "train.csv", **_languages(kind)},
            "tuner": {"method": tuner, **(options or {})},
            "output_dir": str(folder),
        }
    )
    spec = inspect_checkpoint(config.model)
    space = LabelSpace(labels) if isinstance(labels, tuple) else labels
    halves = find_kind(kind).task_adapter(spec)
    adapter = halves.make(spec, space, options=adapter_options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loaded = adapter.objective.build()
        tuned = apply_tuner(loaded.model, loaded.new_parameters, config.tuner, peft_task=halves.peft_task)
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter += 0.2 * torch.randn_like(parameter)
    folder.mkdir(parents=True)
    save_adapter(tuned, folder, revision=None)
    adapter.preprocessor.save(folder)
    facts = RunFacts(
        ftkit_version=__version__,
        task_name=kind,
        kind=kind,
        family=spec.family,
        columns=columns or {},
        max_length=adapter.preprocessor.max_length,
        adapter_options={**adapter_options, **adapter.preprocessor.resolved_options},
        prepared=False,
        base=base_facts(spec, folder),
    )
    (folder / CONFIG_FILE).write_text(config.model_copy(update={"run": facts}).to_yaml())
    (folder / RESULTS_FILE).write_text(json.dumps({}))
    return folder


def _languages(kind: str) -> dict[str, str]:
    return {"source_lang": "en", "target_lang": "de"} if kind == "translation" else {}
