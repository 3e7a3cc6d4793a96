"""What a process is set to, and how to leave it as it was."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def process_state_kept() -> Iterator[None]:
    """Puts back the environment and the random numbers to come, which starting the engine changes."""
    environment, numbers, arrays = dict(os.environ), random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(numbers)
        np.random.set_state(arrays)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
