"""What a head computes, as one tensor, whatever transformers calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def logits_of(outputs: Any) -> torch.Tensor:
    """Returns a head's logits; those of a span's start and end side by side, (B, T, 2); without a head, token vectors.

    Of a dual encoder those of images and texts, (B, B).

    Args:
        outputs: of a transformers model, or of an exported one, which gives one tensor in any case.
    """
    for name in ("logits", "logits_per_image", "last_hidden_state"):
        found = getattr(outputs, name, None)
        if found is not None:
            return found
    import torch

    return torch.stack((outputs.start_logits, outputs.end_logits), dim=-1)
