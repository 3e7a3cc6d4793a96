"""Which of PyTorch's kernels compute attention on a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def attention_of_any_shape() -> Iterator[None]:
    """Leaves cuDNN's attention out inside the block, and PyTorch takes another of its kernels.

    Recent cards prefer cuDNN's. It makes a plan for every new shape, which takes as long as a whole training step of
    BERT base, and nearly every batch of texts has a shape of its own.
    """
    was_enabled = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(was_enabled)
