"""Which batch a model computes at the moment: the engine says so, and what is attached to a model may ask.

A forward pass sees tensors alone. How long each row really is, and which rows of the training data these are, is known
on the host; ftkit.speedups computes less for it. Nothing in the engine depends on who asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from ftkit.adapters.rows import Batch

_current: ContextVar[Batch | None] = ContextVar("current_batch", default=None)


@contextlib.contextmanager
def computing(batch: Batch) -> Iterator[None]:
    """Says that the forward and backward passes in the block are those of a batch."""
    token = _current.set(batch)
    try:
        yield
    finally:
        _current.reset(token)


def current_batch() -> Batch | None:
    """Returns the batch that is computed; None outside of `computing`."""
    return _current.get()
