"""Rank 0, with which the store of the ranks may end, leaves last; no rank waits for others where it is not heard."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from torch.distributed import TCPStore

from ftkit.engine import launched
from ftkit.engine.interruption import Interruption
from ftkit.engine.launched import ending_together
from ftkit.engine.ranks import Ranks
from ftkit.errors import ConfigError, Interrupted, MachineError, RunError


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


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port at which two ranks are to meet, by the environment; nobody is there yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    launched._meet.cache_clear()
    yield port
    launched._meet.cache_clear()
    launched._Here.ranks = None


def _interrupted_by_sigterm(seconds: float) -> None:
    """Meets the other rank, and is told to end while it does so."""
    with Interruption().listening():
        timer = threading.Timer(seconds, signal.raise_signal, [signal.SIGTERM])
        timer.start()
        launched.ranks().meet()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_signal_ends_a_rank_that_waits_for_the_other(rank: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", rank)
    start = time.monotonic()
    with pytest.raises(Interrupted, match="Interrupted by SIGTERM"), ending_together():
        _interrupted_by_sigterm(0.2)
    assert time.monotonic() - start < 8, "rank 0 waits some seconds for the other, and 1800 at most before"


def test_ranks_meet_in_any_order(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    servers: list[Any] = []

    def serve() -> None:
        servers.append(TCPStore("127.0.0.1", port, 2, is_master=True, wait_for_workers=False))

    threading.Timer(0.3, serve).start()
    store, rank, world_size = launched._meet()
    store.set("here", "1")
    assert (rank, world_size, store.get("here")) == (1, 2, b"1")


def test_a_rank_whose_launcher_is_gone_waits_for_nobody_and_tells_its_own_mistake(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr(launched, "SECONDS_TO_AGREE", 0.2)
    with pytest.raises(MachineError, match="Rank 0 on .* cannot reach"):
        launched.ranks()
    with pytest.raises(ConfigError, match="no such key"), ending_together():
        raise ConfigError("no such key")


@pytest.mark.parametrize("name", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_a_variable_that_a_launcher_forgot_is_named(name: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv(name)
    with pytest.raises(MachineError, match=f"2 processes were launched, and {name} is not set in this one"):
        launched._meet()


def test_a_meeting_point_that_nobody_opens_is_named(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(launched, "DEFAULT_TIMEOUT", 0.1)
    with pytest.raises(MachineError, match=f"Rank 1 on .* cannot reach 127.0.0.1:{port}, where the ranks meet"):
        launched._meet()
