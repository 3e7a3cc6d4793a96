"""What a process has freed goes back to the system when it is asked to."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from ftkit.engine.freed_memory import release_memory

# MiB of resident memory that come back when 64 blocks between others, and a cycle of objects, are not needed any more.
RELEASE = """
import psutil
import torch
from ftkit.engine.freed_memory import release_memory
from ftkit.speedups.memory import keep_freed_memory
def resident():
    return psutil.Process().memory_info().rss / 2**20
assert keep_freed_memory()
blocks = [torch.ones(2**18) for _ in range(128)]
cycle = [torch.ones(2**24)]
cycle.append(cycle)
full = resident()
del blocks[::2], cycle
print(full - resident())
release_memory()
print(full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_is_free_can_be_handed_back() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", RELEASE], env=environment, capture_output=True, text=True, check=True)
    freed, released = map(float, done.stdout.split())
    assert freed < 8
    assert 120 < released < 136  # of 64 + 64


def test_nothing_is_handed_back_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", opened.append)
    release_memory()
    assert not opened


def test_a_device_gives_up_what_it_keeps_and_a_processor_keeps_no_such_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda: calls.append("cleared"))
    release_memory("cpu")
    assert not calls
    release_memory("cuda")
    assert calls == ["cleared"]
