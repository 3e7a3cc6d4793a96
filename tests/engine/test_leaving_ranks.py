"""Rank 0, with which the store of the ranks may end, leaves last; a rank whose store has ended tells its own error."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from torch.distributed import TCPStore

from ftkit.engine import launched
from ftkit.engine.launched import ending_together
from ftkit.engine.ranks import Ranks
from ftkit.errors import RunError


def test_rank_0_waits_for_the_others() -> None:
    store = TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    other = TCPStore("127.0.0.1", store.port, 2, is_master=False)
    left: list[str] = []

    def leave(rank: int, place: Any, seconds: float) -> None:
        time.sleep(seconds)
        if rank:
            left.append("rank 1")
        Ranks(place, rank, 2).leave()
        if not rank:
            left.append("rank 0")

    threads = [threading.Thread(target=leave, args=given) for given in ((0, store, 0.0), (1, other, 0.3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == ["rank 1", "rank 0"]


def test_a_store_that_has_ended_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    store = TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    here = Ranks(TCPStore("127.0.0.1", store.port, 2, is_master=False, timeout=timedelta(seconds=1)), 1, 2)
    del store

    def found() -> Ranks:
        launched._Here.ranks = here
        return here

    monkeypatch.setattr(launched, "ranks", found)
    with pytest.raises(RunError, match="the disk is full"), ending_together():
        raise RunError("the disk is full")
