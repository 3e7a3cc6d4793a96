"""States of rows are kept without padding, in memory or on disk, within limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import ftkit
from ftkit.errors import ConfigError
from ftkit.speedups.kept_states import GIB, MEMORY_VARIABLE, KeptStates, find_room
from runs import run_config

LENGTHS = np.array([2, 3, 1])
WIDTH = 2
NEEDED = 6 * WIDTH * 4


@pytest.mark.parametrize("on_disk", [False, True])
def test_states_are_kept_without_padding_and_given_back_with_zeros(tmp_path: Path, on_disk: bool) -> None:
    kept = KeptStates(LENGTHS, WIDTH, folder=tmp_path if on_disk else None)
    kept.put([1, 0], torch.arange(12.0).view(2, 3, 2) + 1)
    assert kept.get([0, 2], 3) is None
    given = kept.get([0, 1], 4)
    assert given is not None
    assert given[0].tolist() == [[7, 8], [9, 10], [0, 0], [0, 0]]
    assert given[1].tolist() == [[1, 2], [3, 4], [5, 6], [0, 0]]
    assert kept.megabytes == 5 * 2 * 4 / 1e6


def test_coarser_states_are_kept_exactly() -> None:
    kept = KeptStates(LENGTHS, WIDTH)
    states_BTH = torch.randn(1, 3, 2, dtype=torch.bfloat16)
    kept.put([1], states_BTH)
    given = kept.get([1], 3)
    assert given is not None
    assert torch.equal(given.bfloat16(), states_BTH)


@pytest.mark.parametrize(("processes", "where"), [(1, "memory"), (2, "disk")])
def test_processes_share_the_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: int, where: str
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, str(1.5 * NEEDED / GIB))
    room = find_room(LENGTHS, WIDTH, folder=tmp_path, processes=processes)
    assert room is not None
    assert room.where == where


def test_a_wrong_limit_is_told_before_anything_is_written(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(tmp_path, checkpoint("bert"))
    for wrong in ("much", "-1", "nan"):
        monkeypatch.setenv(MEMORY_VARIABLE, wrong)
        with pytest.raises(ConfigError, match=f"expected a number of GiB, such as 1, got '{wrong}'"):
            ftkit.train(config)
    assert not (tmp_path / "run").exists()
