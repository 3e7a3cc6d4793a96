"""A checkpoint that a run with a sharded model has saved, for one whose processes hold all of it; and the other way.

Accelerate saves weights and optimizer of a sharded model in files of its own, by the names of weights: whole, or in
pieces (`state_dict_type`). Whatever number of ranks shares out the model reads either; here a plain model does. A
plain model's optimizer numbers its weights in the order in which it was made, which is the same for both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ftkit.engine.sharding import shards
from ftkit.errors import RunError
from ftkit.tuners.names import ADAPTER_NAME

if TYPE_CHECKING:
    from torch.optim import Optimizer

WHOLE_WEIGHTS, WHOLE_OPTIMIZER, PLAIN_OPTIMIZER = "pytorch_model_fsdp.bin", "optimizer.bin", "optimizer.pt"
PIECES_OF_WEIGHTS, PIECES_OF_OPTIMIZER = "pytorch_model_fsdp_0", "optimizer_0"


def is_saved_otherwise(checkpoint: Path, model: Any) -> bool:
    """Tells whether a checkpoint of a sharded model is to be loaded into a plain one, or the other way."""
    is_of_sharded = any((checkpoint / name).exists() for name in (WHOLE_WEIGHTS, PIECES_OF_WEIGHTS))
    return is_of_sharded != bool(shards(model))


def load_weights(model: Any, checkpoint: Path, make_model: Callable[[], Any]) -> None:
    """Loads weights that were saved otherwise; all ranks call this together.

    Args:
        make_model: makes a plain model anew.
    """
    if not shards(model):
        _load_weights_of_sharded(model, checkpoint)
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    plain = make_model()
    if hasattr(plain, "peft_config"):
        plain.load_adapter(str(checkpoint), ADAPTER_NAME, is_trainable=True)
    else:
        from safetensors.torch import load_file

        state = {name: tensor for path in checkpoint.glob("*.safetensors") for name, tensor in load_file(path).items()}
        _load(plain, state, checkpoint)  # it lacks second names of shared weights
    set_model_state_dict(model, plain.state_dict(), options=StateDictOptions(full_state_dict=True))


def _load_weights_of_sharded(model: Any, checkpoint: Path) -> None:
    if (checkpoint / WHOLE_WEIGHTS).is_file():
        state = torch.load(checkpoint / WHOLE_WEIGHTS, map_location="cpu", weights_only=True, mmap=True)
    else:
        state = _joined(checkpoint / PIECES_OF_WEIGHTS)["model"]
        if hasattr(model, "peft_config"):  # pieces have the names of a saved adapter
            from peft import set_peft_model_state_dict

            set_peft_model_state_dict(model, state, adapter_name=ADAPTER_NAME)
            return
    _load(model, state, checkpoint)  # of a model with an adapter it holds what is trained


def _load(model: Any, state: dict[str, Any], checkpoint: Path) -> None:
    """Loads weights, of which some may be missing, and none may be left over.

    Raises:
        RunError: the model has no place for one; it would go on without it.
    """
    left_over = model.load_state_dict(state, strict=False).unexpected_keys
    if left_over or not state:
        raise RunError(
            f"The weights of {checkpoint} have other names than the model's, such as {left_over[:1] or 'none'}. "
            "Go on with train.fsdp as the run was begun."
        )


def _joined(pieces: Path) -> Any:
    """Returns what ranks have saved in pieces, whole, on the CPU."""
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with tempfile.TemporaryDirectory(dir=pieces.parent.parent) as folder:  # the disk that has room for checkpoints
        dcp_to_torch_save(pieces, file := Path(folder) / "whole.pt")
        return torch.load(file, map_location="cpu", weights_only=True)


def load_optimizer(model: Any, optimizer: Optimizer, checkpoint: Path) -> None:
    """Loads the state of an optimizer that was saved otherwise; all ranks call this together.

    Args:
        optimizer: of the model.
    """
    if shards(model):
        state = torch.load(checkpoint / PLAIN_OPTIMIZER, map_location="cpu", weights_only=True)
        optimizer.load_state_dict(_shared_out(state, optimizer))
        return
    if (checkpoint / WHOLE_OPTIMIZER).is_file():
        state = torch.load(checkpoint / WHOLE_OPTIMIZER, map_location="cpu", weights_only=True)
    else:
        state = _joined(checkpoint / PIECES_OF_OPTIMIZER)["optimizer"]
    optimizer.load_state_dict(_by_number(state, model, optimizer))


def _shared_out(state: Any, optimizer: Optimizer) -> dict[str, Any]:
    """Returns a plain optimizer's state with this rank's share of each tensor that has the shape of its weight."""
    from torch.distributed.tensor import distribute_tensor

    def share(tensor: Any, weight: Any) -> Any:
        if getattr(tensor, "shape", None) != weight.shape:
            return tensor
        tensor = tensor.to(weight.device)
        return distribute_tensor(tensor, weight.device_mesh, weight.placements, src_data_rank=None)

    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    states = {
        number: {key: share(value, weights[number]) for key, value in found.items()}
        for number, found in state["state"].items()
    }
    return {**state, "state": states}


def _by_number(state: Any, model: Any, optimizer: Optimizer) -> dict[str, Any]:
    """Returns a sharded optimizer's state with numbers in the place of the names of weights.

    Example: of a layer whose weight decays and whose bias does not, `{"state": {"weight": S, "bias": T},
    "param_groups": [{"lr": 1e-4, "params": ["weight"]}, {"lr": 1e-4, "params": ["bias"]}]}` becomes `{"state":
    {0: S, 1: T}, "param_groups": [{"lr": 1e-4, "params": [0]}, {"lr": 1e-4, "params": [1]}]}`.
    """
    names: dict[int, list[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    states = {
        number: state["state"][name]
        for number, weight in enumerate(weights)
        for name in names[id(weight)]
        if name in state["state"]  # one of the names of a weight that modules share
    }
    numbered = iter(range(len(weights)))
    groups = [
        {**saved, "params": [next(numbered) for _ in mine["params"]]}
        for saved, mine in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    return {"state": states, "param_groups": groups}
