"""What the C library and oneDNN do with a process's memory on a CPU: settings that neither has a Python call for."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

# The parameters of glibc's mallopt, from its malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 64 * 2**20  # bytes asked of the system at a time, at least
_NEVER = 2**31 - 1  # bytes: the largest threshold that mallopt takes

KERNELS_VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
# A step's layers share their kernels, and the next step has other sizes: 1,024, oneDNN's own default, are kept for
# nothing. MiniLM on banking77, 60 steps in float32: 1,720 MB and 38 texts/s with 1,024, 1,389 MB and 41 with 64.
MOST_KERNELS = "128"
# And the rows of a product are filled up to a multiple of this, so that there are fewer sizes. For every size that a
# product has met oneDNN keeps 0.3 MB: 160 steps of MiniLM on sentences took 220 MB of it, and more as they went on. A
# translator of two million weights trained in 1,216 MB without filling, in 889 MB with it.
FILLED_TO = 32


def prepare_process() -> None:
    """Does both for a process that is to train; to be called before anything is computed."""
    keep_freed_memory()
    bound_kernel_cache()


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed; does nothing elsewhere, or where the environment tunes it already.

    glibc takes large blocks, such as the gradient of an embedding, from the system one by one, and hands them back
    when they are freed. Every page of the next block is new to the process then, and must be cleared and mapped again:
    on a virtual machine that was a fifth of a training step of MiniLM.

    Returns:
        Whether memory is kept from now on.
    """
    if not sys.platform.startswith("linux") or _is_tuned():
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _NEVER, _M_TOP_PAD: _TOP_PAD}
    return all(library.mallopt(name, value) == 1 for name, value in settings.items())


def release_memory() -> None:
    """Hands back what is free now, such as an optimizer's states after training; glibc only.

    A model that is loaded next lies beside them otherwise, for a moment in the file too: 90 MB more for MiniLM.
    """
    gc.collect()
    if sys.platform.startswith("linux") and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def bound_kernel_cache() -> None:
    """Bounds how many kernels oneDNN keeps, one for each size that it meets; to be called before it computes.

    A number in the environment stays as it is.
    """
    os.environ.setdefault(KERNELS_VARIABLE, MOST_KERNELS)


def _is_tuned() -> bool:
    return "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)
