"""What a checkpoint holds of a tuner beside its adapter, so that training goes on as if it had never stopped.

peft saves the virtual tokens that p-tuning's network wrote, but not the network; and of AdaLoRA the ranks, but not how
sensitive the loss has been to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.tuners.names import ADAPTER_NAME

if TYPE_CHECKING:
    import torch

STATE_FILE = "tuner_state.safetensors"


def save_training_state(model: Any, folder: Path) -> None:
    """Writes what the saved adapter lacks; nothing for most methods, and for models without a tuner."""
    state = _network_state(model) | _sensitivity_state(model)
    if state:
        from safetensors.torch import save_file

        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, folder / STATE_FILE)


def load_training_state(model: Any, folder: Path) -> None:
    """Reads it back into a model into which the checkpoint's adapter was loaded."""
    if not (folder / STATE_FILE).is_file():
        return
    from safetensors.torch import load_file

    state = load_file(folder / STATE_FILE)
    if _network_state(model):
        model.prompt_encoder[ADAPTER_NAME].load_state_dict(state)
        return
    allocator, weights = model.base_model.rankallocator, dict(model.base_model.model.named_parameters())
    for name, tensor in state.items():
        average, _, weight = name.partition("/")
        getattr(allocator, average)[weight] = tensor.to(weights[weight].device)
        allocator.ipt[weight] = weights[weight].new_zeros(weights[weight].shape)  # of one step; only its key is read


def _network_state(model: Any) -> dict[str, torch.Tensor]:
    if _method(model) != "P_TUNING":
        return {}
    return dict(model.prompt_encoder[ADAPTER_NAME].state_dict())


def _sensitivity_state(model: Any) -> dict[str, torch.Tensor]:
    """Returns AdaLoRA's running averages, which say which ranks go."""
    if _method(model) != "ADALORA":
        return {}
    allocator = model.base_model.rankallocator
    return {
        f"{average}/{weight}": tensor
        for average in ("exp_avg_ipt", "exp_avg_unc")
        for weight, tensor in getattr(allocator, average).items()
    }


def _method(model: Any) -> str | None:
    """Returns peft's name of the method; None for a model without a tuner."""
    config = getattr(model, "active_peft_config", None)
    return None if config is None else config.peft_type
