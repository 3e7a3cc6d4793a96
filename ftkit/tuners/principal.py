"""PiSSA (arXiv 2404.02948): the adapter starts as the principal components, which leave the base's weights.

What was trained, W_res + A B, is saved as a plain LoRA on the untouched base, W + (A B - A0 B0), at twice the rank:
so that the adapter can be attached to the same base as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

State = Mapping[str, torch.Tensor]


def principal_parts(state: State) -> dict[str, torch.Tensor]:
    """Returns copies of the low-rank factors as they were initialised."""
    return {name: tensor.detach().clone() for name, tensor in state.items() if ".lora_" in name}


def as_plain_lora(config: Any, state: State, initial: State) -> tuple[Any, dict[str, torch.Tensor]]:
    """Returns the config and tensors of the equal adapter for the untouched base.

    Args:
        config: peft's LoraConfig; it is changed.
        state: what is to be saved, by name.
        initial: what `principal_parts` gave.
    """
    plain = dict(state)
    for name, tensor in state.items():
        if name.endswith((".lora_A.weight", ".lora_embedding_A")):
            plain[name] = torch.cat([tensor, initial[name].to(tensor.device)], dim=0)
        elif name.endswith((".lora_B.weight", ".lora_embedding_B")):
            plain[name] = torch.cat([tensor, -initial[name].to(tensor.device)], dim=1)
    config.r, config.lora_alpha, config.init_lora_weights = 2 * config.r, 2 * config.lora_alpha, True
    return config, plain
