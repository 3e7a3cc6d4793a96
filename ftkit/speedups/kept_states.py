"""Where outputs of frozen layers are kept: in memory, or in a temporary file on disk; see frozen_features.py."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ftkit.console import note
from ftkit.errors import ConfigError

GIB = 2**30
MEMORY_VARIABLE = "FTKIT_PREFIX_CACHE_MEMORY"
DEFAULT_MEMORY = "1"  # GiB: 700,000 tokens of width 384
DISK_LIMIT = 10 * GIB
FREE_SHARE = 0.5  # of the disk, as checkpoints are yet to be written to it


class KeptStates:
    """Hidden states of rows, one row behind the other, without padding.

    Args:
        lengths: tokens of each row, (R,).
        width: of a hidden state, H.
        folder: of the temporary file; None: in memory. The file has no name where the system allows that: whatever
            ends the process, nothing is left of it.

    Raises:
        OSError: the disk is full.
    """

    def __init__(self, lengths: np.ndarray, width: int, *, folder: Path | None = None) -> None:
        self.lengths, self.starts = lengths, np.cumsum(lengths) - lengths
        self.is_kept = np.zeros(len(lengths), bool)
        self.where: Literal["memory", "disk"] = "memory" if folder is None else "disk"
        shape = (int(lengths.sum()), width)
        # Memory is taken when it is written to, not here.
        self.states = torch.from_numpy(np.empty(shape, np.float32) if folder is None else _on_disk(shape, folder))

    def get(self, rows: Sequence[int], num_positions: int) -> torch.Tensor | None:
        """Returns the states of some rows (B, T, H), with zeros behind their ends; None if any is missing."""
        if not self.is_kept[rows].all():
            return None
        states_BTH = torch.zeros(len(rows), num_positions, self.states.shape[1])
        for states_TH, row in zip(states_BTH, rows, strict=True):
            start, length = self.starts[row], self.lengths[row]
            states_TH[:length] = self.states[start : start + length]
        return states_BTH

    def put(self, rows: Sequence[int], states_BTH: torch.Tensor) -> None:
        """Keeps the states of some rows, which are padded on the right."""
        for states_TH, row in zip(states_BTH.detach().cpu(), rows, strict=True):
            start, length = self.starts[row], self.lengths[row]
            self.states[start : start + length] = states_TH[:length]
        self.is_kept[rows] = True

    def release(self) -> None:
        """Gives up what is kept, memory or file."""
        self.states = torch.empty(0, self.states.shape[1])

    @property
    def megabytes(self) -> float:
        """Size of what is kept by now, in millions of bytes."""
        return float(self.lengths[self.is_kept].sum()) * self.states.shape[1] * 4 / 1e6


def _on_disk(shape: tuple[int, int], folder: Path) -> np.ndarray:
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # Its place on the disk is taken now: a write to mapped memory that found none would kill the process.
            os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
        return np.memmap(file, np.float32, "w+", shape=shape)


def find_room(lengths: np.ndarray, width: int, *, folder: Path, processes: int) -> KeptStates | None:
    """Returns room for the states of all rows, in memory or on disk; None where there is none. Says which.

    Args:
        lengths: tokens of each row, (R,).
        width: of a hidden state, H.
        folder: of the temporary file.
        processes: which share the limits; each may come to keep every row.

    Raises:
        ConfigError: FTKIT_PREFIX_CACHE_MEMORY is no number.
    """
    needed = float(lengths.sum()) * width * 4
    size = f"{math.ceil(needed / 1e6):,} MB"
    memory = memory_limit() / processes
    if needed <= memory:
        note(f"frozen layers: computed in the first epoch only; {size} of their outputs are kept in memory")
        return KeptStates(lengths, width)
    folder.mkdir(parents=True, exist_ok=True)
    disk = min(DISK_LIMIT, FREE_SHARE * shutil.disk_usage(folder).free) / processes
    if needed <= disk:
        with contextlib.suppress(OSError):
            kept = KeptStates(lengths, width, folder=folder)
            note(f"frozen layers: computed in the first epoch only; {size} of their outputs are kept on disk")
            return kept
    note(
        f"frozen layers: computed in every epoch; to keep {size} of their outputs would exceed the limits of memory "
        f"({memory / 1e6:,.0f} MB) and disk ({disk / 1e6:,.0f} MB). {MEMORY_VARIABLE}, in GiB, raises the first"
    )
    return None


def memory_limit() -> float:
    """Returns how many bytes of memory the processes of a run may take together for what they keep.

    Raises:
        ConfigError: FTKIT_PREFIX_CACHE_MEMORY is no number.
    """
    stated = os.environ.get(MEMORY_VARIABLE) or DEFAULT_MEMORY
    try:
        limit = float(stated) * GIB
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise ConfigError(f"{MEMORY_VARIABLE}: expected a number of GiB, such as {DEFAULT_MEMORY}, got {stated!r}.")
    return limit
