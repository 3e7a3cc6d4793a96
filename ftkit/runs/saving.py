"""A trained model, written so that plain transformers or peft loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.machine_faults import check_room
from ftkit.models.spec import CheckpointSpec
from ftkit.tuners.spec import TunerSpec


def save_model(model: Any, adapter: TaskAdapter, folder: Path, *, tuner: TunerSpec, spec: CheckpointSpec) -> None:
    """Writes the weights that were trained, head included, and the processor's files.

    Args:
        spec: the checkpoint that was trained from.
    """
    if tuner.is_full:
        model.save_pretrained(folder)
    else:
        from ftkit.tuners.saving import save_adapter

        save_adapter(model, folder, revision=spec.commit or spec.revision)
    adapter.preprocessor.save(folder)
    adapter.objective.save(model, folder)


def check_room_for(model: Any, folder: Path, *, tuner: TunerSpec) -> None:
    """Refuses to begin saving a model for which the disk has no room.

    Raises:
        MachineError: it has none.
    """
    weights = (weight for weight in model.parameters() if tuner.is_full or weight.requires_grad)
    check_room(folder, sum(weight.nbytes for weight in weights), "the trained model")


def saved_megabytes(folder: Path) -> float:
    """Returns the size of the saved weights, in millions of bytes."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
