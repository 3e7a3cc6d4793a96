"""What says that memory is too small, and how it is told."""

from __future__ import annotations

import errno

import pytest
import torch

from ftkit.engine.memory_errors import is_out_of_memory, reason_of, running_out_told
from ftkit.errors import OutOfMemory

CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "1024 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.mark.parametrize(
    "error",
    [
        CPU,
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        RuntimeError("could not create a primitive"),  # of oneDNN, whose kernels take memory
        RuntimeError("unable to mmap 32598896 bytes from file <model.safetensors>: Cannot allocate memory (12)"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("a.so: failed to map segment from shared object"),
    ],
)
def test_what_says_that_memory_is_too_small(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        RuntimeError("could not create a primitive descriptor for a convolution"),
        OSError(errno.ENOSPC, "No space left on device"),
        ImportError("No module named 'nobody'"),
        ValueError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_what_says_something_else_passes_as_it_is(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), running_out_told():
        raise error


def test_memory_that_runs_out_elsewhere_is_one_message() -> None:
    assert reason_of(MemoryError()) == "MemoryError"
    reason = r"\(can't allocate memory: you tried to allocate 1024 bytes\. Error code 12 \(Cannot allocate memory\)\)"
    with (
        pytest.raises(OutOfMemory, match=rf"too small for this run {reason}.*train.optim: adafactor"),
        running_out_told(),
    ):
        raise CPU
