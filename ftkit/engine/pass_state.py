"""What forward passes change beside gradients: the random numbers to come, and buffers of a model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch.nn import Module


def running_statistics(model: Module) -> list[torch.Tensor]:
    """Returns the buffers that training changes: means and variances of normalizations over a batch."""
    return [
        buffer
        for module in model.modules()
        if getattr(module, "track_running_stats", False)
        for buffer in module.buffers(recurse=False)
    ]


def seed_draws(seed: int, step: int, rank: int) -> None:
    """Decides what is drawn in the passes of an optimizer step, such as dropout masks: the same whenever it is taken.

    Ranks draw differently, and what was computed between steps, such as an evaluation, makes no difference.
    """
    drawn = int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
    random.seed(drawn)
    np.random.seed(drawn)
    if torch.accelerator.is_available():
        torch.manual_seed(drawn)  # of devices as well
    else:  # torch.manual_seed would note, for each kind of device, where it was called, which takes a millisecond
        torch.default_generator.manual_seed(drawn)


class PassState:
    """The random numbers to come, on the host and on a device, and some buffers, as they are now.

    Args:
        buffers: those that may change.
        device: where passes are computed.
    """

    def __init__(self, buffers: Sequence[torch.Tensor], device: torch.device) -> None:
        self._buffers = [(buffer, buffer.clone()) for buffer in buffers]
        self._numbers, self._arrays, self._on_host = random.getstate(), np.random.get_state(), torch.get_rng_state()
        self._device = None if device.type == "cpu" else torch.get_device_module(device)
        self._on_device = None if self._device is None else self._device.get_rng_state()

    def restore(self) -> None:
        """Puts them back."""
        random.setstate(self._numbers)
        np.random.set_state(self._arrays)
        torch.set_rng_state(self._on_host)
        if self._device is not None:
            self._device.set_rng_state(self._on_device)
        with torch.no_grad():
            for buffer, before in self._buffers:
                buffer.copy_(before)
