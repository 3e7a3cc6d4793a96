"""Rows of a fine-tuned checkpoint's head, moved to the labels of a run that they were trained for.

A head has a row for each label. A checkpoint that was tuned on (entailment, neutral, contradiction), and is trained on
with these labels in another order, would begin with every answer wrong if its rows stayed where they are.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.models.loading import LoadedModel, body_prefixes
from ftkit.models.new_values import drawn_anew
from ftkit.models.row_match import match_rows, saved_head
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Tensors = dict[str, "torch.Tensor"]


def keep_known_rows(loaded: LoadedModel, spec: CheckpointSpec, labels: LabelSpace) -> tuple[LoadedModel, str | None]:
    """Moves the rows of a checkpoint's own head to the labels that they were trained for; other labels get new rows.

    Where a row has moved or is new, the output layer counts as new: an adapter on the checkpoint has to bring it.

    Returns:
        The model, and one line about the head; None where the checkpoint has none.
    """
    from transformers import AutoConfig

    saved, axes = _saved_outputs(loaded, spec, len(labels))
    if not saved:
        return loaded, None
    # The fewest: what RT-DETR embeds noisy labels by has a row more, for none.
    num_outputs = min(tensor.shape[axes[name]] for name, tensor in saved.items())
    config = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    head = saved_head(config.id2label or {}, config.problem_type, num_outputs=num_outputs)
    match = match_rows(labels, head)
    told = match.told(f"the checkpoint {spec.name}")
    if match.is_identity:
        return loaded, told
    parameters = {name: parameter for name, parameter in loaded.model.named_parameters() if name in axes}
    fresh = parameters if loaded.resized else drawn_anew(parameters, loaded.model.config)
    _set_values(parameters, HeadRows(match.rows, axes).placed(fresh, saved))
    return dataclasses.replace(loaded, new_parameters=loaded.new_parameters | axes.keys()), told


@dataclass(frozen=True)
class HeadRows:
    """Where the rows of a saved head belong.

    Attributes:
        rows: for each label the row of the saved head; None where the label is new.
        axes: parameter of an output layer -> the axis that has an entry for each label.
    """

    rows: Sequence[int | None]
    axes: Mapping[str, int]

    def placed(
        self, fresh: Mapping[str, torch.Tensor], saved: Mapping[str, torch.Tensor], *, prefix: str = ""
    ) -> dict[str, torch.Tensor]:
        """Returns the output layers' parameters: known rows in their places, between fresh ones.

        Example: fresh rows (p, q, r), saved rows (a, b), `rows` (1, None, 0): (b, q, a).

        Args:
            fresh: values for the labels of the run, by name.
            saved: values of the saved head, by name; parameters that are not there are left out.
            prefix: stands before the names of `axes` in both.
        """
        names = {f"{prefix}{name}": axis for name, axis in self.axes.items()}
        return {
            name: self._placed(fresh[name], saved[name], axis)
            for name, axis in names.items()
            if name in fresh and name in saved
        }

    def _placed(self, fresh: torch.Tensor, saved: torch.Tensor, axis: int) -> torch.Tensor:
        placed = fresh.detach().clone()
        for place, row in enumerate(self.rows):
            if row is not None:
                placed.select(axis, place).copy_(saved.select(axis, row))
        return placed


def _set_values(parameters: Mapping[str, torch.Tensor], values: Tensors) -> None:
    import torch

    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(value)


# --- where the rows are ------------------------------------------------------------------------------------------


def _saved_outputs(loaded: LoadedModel, spec: CheckpointSpec, num_labels: int) -> tuple[Tensors, dict[str, int]]:
    """Returns what the checkpoint holds of the output layers, and their axes; nothing where its head is new.

    Where the head has another number of labels, it was not loaded and is read from the files.
    """
    parameters = dict(loaded.model.named_parameters())
    if loaded.resized:
        saved = _read_tensors(spec, loaded.resized)
        differing = {name: _axis(parameters[name].shape, tensor.shape) for name, tensor in saved.items()}
        known = {name: axis for name, axis in differing.items() if axis is not None}
        return (saved, known) if known.keys() == loaded.resized else ({}, {})
    provided = {name: parameter for name, parameter in parameters.items() if name not in loaded.new_parameters}
    body = body_prefixes(loaded.model)
    beside_body = any(not name.startswith(body) and num_labels in one.shape for name, one in provided.items())
    if loaded.new_parameters and not beside_body:
        return {}, {}  # spares an outline of the model where the checkpoint has no head, as most have none
    axes = output_axes(loaded.model)
    if not axes.keys() <= provided.keys():
        return {}, {}
    return {name: provided[name].detach().clone() for name in axes}, axes


def output_axes(model: PreTrainedModel) -> dict[str, int]:
    """Returns the parameters that have an entry for each label -> the axis of these entries.

    They are those whose shape would be another with one label more.
    """
    num_labels = len(model.config.id2label or {})
    one, other = _shapes(model, num_labels), _shapes(model, num_labels + 1)
    axes = {name: _axis(one[name], other[name]) for name in one if one[name] != other[name]}
    return {name: axis for name, axis in axes.items() if axis is not None}


def _shapes(model: PreTrainedModel, num_labels: int) -> dict[str, torch.Size]:
    import torch

    config = copy.deepcopy(model.config)
    config.num_labels = num_labels
    with torch.device("meta"):
        outline = type(model)(config)
    return {name: parameter.shape for name, parameter in outline.named_parameters()}


def _axis(one: Sequence[int], other: Sequence[int]) -> int | None:
    """Returns the only axis on which two shapes differ."""
    differing = [
        axis for axis, (size, size_of_other) in enumerate(zip(one, other, strict=False)) if size != size_of_other
    ]
    return differing[0] if len(one) == len(other) and len(differing) == 1 else None


def _read_tensors(spec: CheckpointSpec, names: frozenset[str]) -> Tensors:
    """Reads a few tensors of a checkpoint whose weights have been loaded before."""
    from safetensors import safe_open

    found: Tensors = {}
    for file in sorted(_folder(spec).glob("model*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            found |= {name: tensors.get_tensor(name).float() for name in names.intersection(tensors.keys())}
    return found


def _folder(spec: CheckpointSpec) -> Path:
    if Path(spec.path).is_dir():
        return Path(spec.path)
    from huggingface_hub import snapshot_download

    revision = spec.loading_arguments["revision"]
    return Path(snapshot_download(spec.path, revision=revision, local_files_only=True, library_name="ftkit"))
