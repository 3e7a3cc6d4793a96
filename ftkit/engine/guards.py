"""Guards against silent damage: a loss or a weight that is no longer a number ends the run with a message."""

from __future__ import annotations

import torch
from torch.nn import Module

from ftkit.errors import RunError

REMEDY = (
    "Likely fixes: a lower train.learning_rate, train.warmup_steps, train.max_grad_norm: 1.0, bf16 instead of "
    "fp16, or a look at the data rows of these steps."
)


class FiniteGuard:
    """Watches the loss of every step without stalling the device: it looks only when it is asked."""

    def __init__(self) -> None:
        self._damaged: torch.Tensor | None = None
        self._checked_step = 0

    def watch(self, loss: torch.Tensor) -> None:
        """Remembers, on the device, whether any loss was not finite."""
        damaged = ~torch.isfinite(loss.detach())
        self._damaged = damaged if self._damaged is None else self._damaged | damaged

    def check(self, step: int) -> None:
        """Raises RunError if a loss since the last check was not finite."""
        if self._damaged is not None and bool(self._damaged.any()):
            raise RunError(
                f"The loss became NaN or infinite between step {self._checked_step + 1} and step {step}, so training "
                f"was stopped; checkpoints saved before are sound. {REMEDY}"
            )
        self._checked_step = step


def check_weights_are_finite(model: Module, step: int) -> None:
    """Raises RunError if a trained parameter is not finite, before it would be saved."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise RunError(f"The parameter {name} holds NaN or infinite values at step {step}; not saved. {REMEDY}")
