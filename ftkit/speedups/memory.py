"""What the C library does with a process's memory on a CPU: settings that Python has no call for."""

from __future__ import annotations

import ctypes
import os
import sys

from ftkit.speedups.switches import is_switched_on

# The parameters of glibc's mallopt, from its malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD = 64 * 2**20  # bytes asked of the system at a time, at least
_NEVER = 2**31 - 1  # bytes: the largest threshold that mallopt takes

# The rows of a product are filled up to a multiple of this, so that there are fewer sizes: for every size that a
# product has met oneDNN keeps a kernel. MiniLM on banking77 in bf16 took 1,411 MB and 1.10 times the processor's time
# without filling, 1,183 MB with it.
_FILLED_TO = 32


def filled_to() -> int:
    """Returns the number of which the rows of a product are made a multiple; 1 where FTKIT_FILL_ROWS is 0."""
    return _FILLED_TO if is_switched_on("FTKIT_FILL_ROWS") else 1


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed; does nothing elsewhere, or where the environment tunes it already.

    glibc takes large blocks, such as the gradient of an embedding, from the system one by one, and hands them back
    when they are freed. Every page of the next block is new to the process then, and must be cleared and mapped again:
    on a virtual machine that is a tenth to a sixth of a training step of MiniLM.

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


def _is_tuned() -> bool:
    return "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)
