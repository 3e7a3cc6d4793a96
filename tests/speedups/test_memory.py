"""Freed memory stays with the process; a person's own settings win."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from ftkit.adapters.rows import Batch
from ftkit.engine.current_batch import computing
from ftkit.speedups.memory import keep_freed_memory
from ftkit.speedups.token_rows import current_rows

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")

# Page faults while 64 MiB are taken and given back ten times, before memory is kept and after; in a process of its
# own, since the setting stays.
COUNT_FAULTS = """
import resource
import torch
from ftkit.speedups.memory import keep_freed_memory
def touch():
    torch.zeros(2**24).add_(1)
def faults():
    for _ in range(10):  # blocks find their places
        touch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        touch()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
assert keep_freed_memory()
print(faults())
"""


def printed_numbers(program: str) -> list[float]:
    """Returns what a process prints whose environment says nothing of memory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


@needs_glibc
def test_freed_memory_is_used_again() -> None:
    left, kept = printed_numbers(COUNT_FAULTS)
    assert kept < left / 10


@pytest.mark.parametrize("variable", ["MALLOC_MMAP_MAX_", "GLIBC_TUNABLES"])
def test_the_environment_wins(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")
    assert not keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.parametrize(("said", "multiple"), [(None, 32), ("1", 32), ("0", 1)])
def test_products_are_filled_up_unless_a_variable_says_no(
    said: str | None, multiple: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FTKIT_FILL_ROWS", raising=False)
    if said is not None:
        monkeypatch.setenv("FTKIT_FILL_ROWS", said)
    with computing(Batch({"input_ids": torch.zeros(2, 5)}, lengths=[5, 4])):
        rows = current_rows()
    assert rows is not None
    assert rows.num_tokens == -(-9 // multiple) * multiple
