"""Handing back what a process has freed, for others or for blocks that do not fit where it was."""

from __future__ import annotations

import ctypes
import gc
import sys


def release_memory(device_type: str = "cpu") -> None:
    """Hands back what is free now, such as an optimizer's states after training, or what a failed pass has left.

    A model that is loaded next lies beside them otherwise, for a moment in the file too: 90 MB more for MiniLM.

    Args:
        device_type: such as `cpu`, where glibc hands it back and other C libraries keep it, or `cuda`, where PyTorch
            gives up the blocks that it keeps for later.
    """
    gc.collect()
    if device_type != "cpu":
        from accelerate.utils.memory import clear_device_cache

        clear_device_cache()
    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
