"""Values for parameters that no checkpoint provides, as transformers draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig


def drawn_anew(parameters: Mapping[str, torch.Tensor], config: PretrainedConfig) -> dict[str, torch.Tensor]:
    """Returns new values for output layers, on the CPU: normal weights, no biases.

    Args:
        parameters: by name; only their shapes and types count.
        config: of the model; it says how widely weights are drawn.
    """
    import torch

    std = getattr(config.get_text_config(), "initializer_range", 0.02)
    return {
        name: torch.zeros_like(old, device="cpu")
        if old.ndim < 2
        else torch.empty_like(old, device="cpu").normal_(std=std)
        for name, old in parameters.items()
    }
