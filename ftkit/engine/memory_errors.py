"""Errors that say that memory, of the machine or of a device, is too small. Nothing is imported until there is one."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from ftkit.errors import OutOfMemory

# What the libraries below PyTorch say, which accelerate does not know; the last two are the C library's ENOMEM.
_OTHER_WORDS = (
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Cannot allocate memory",
    "failed to map segment from shared object",
)
# Of oneDNN: what it cannot compute at all already has no descriptor, and says so in longer words.
_WORDS_OF_ONEDNN = {"could not create a primitive", "could not create a memory object"}
_LONGEST_REASON = 160  # characters

SHORTER = "inputs cut shorter (data.max_length, of recordings data.max_seconds)"
LESS_MEMORY = (
    "train.activation_checkpointing: true, a tuner with few weights (tuner: {method: lora}), a smaller checkpoint"
)
SMALLER_BATCHES = "Likely fixes: a lower train.max_tokens_per_batch or train.per_device_train_batch_size"

_MAY_BE = (RuntimeError, MemoryError, OSError, ImportError)


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that memory is too small."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOMEM
    message = str(error)
    return isinstance(error, _MAY_BE) and (
        should_reduce_batch_size(error)
        or any(words in message for words in _OTHER_WORDS)
        or message in _WORDS_OF_ONEDNN
    )


def reason_of(error: BaseException) -> str:
    """Returns the first line of an error, without where in PyTorch's sources it was raised."""
    first = (str(error).splitlines() or [""])[0].split("DefaultCPUAllocator: ")[-1].strip().rstrip(".")
    return first[:_LONGEST_REASON] or type(error).__name__


@contextlib.contextmanager
def running_out_told() -> Iterator[None]:
    """Tells of memory that runs out where nothing can be made smaller, such as in the optimizer, or in loading.

    Raises:
        OutOfMemory: with what to set.
    """
    try:
        yield
    except _MAY_BE as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"Memory is too small for this run ({reason_of(error)}). Checkpoints saved before are sound. "
            f"{SMALLER_BATCHES}, {LESS_MEMORY}, an optimizer that keeps less (train.optim: adafactor)."
        ) from None
