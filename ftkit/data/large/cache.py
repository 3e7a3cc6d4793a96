"""Folders that are made once and used by every process: the ranks of a run, and later runs on the same data."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.console import note
from ftkit.errors import ConfigError, MachineError
from ftkit.machine_faults import is_full, told

DEFAULT_GIGABYTES = 50
"""What large data may take in the cache: some ten times those of which one is too large for memory."""
IN_USE_SECONDS = 3_600.0


class CachedFolder:
    """A folder in the cache; one that nobody else could use is deleted with this object.

    Attributes:
        path: where it lies.
    """

    def __init__(self, path: Path, *, is_private: bool = False) -> None:
        self.path = path
        if is_private:
            weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


def cache_root() -> Path:
    """Returns the folder in the cache of `datasets` where large data are kept (HF_DATASETS_CACHE)."""
    from datasets import config

    return Path(config.HF_DATASETS_CACHE) / "ftkit"


def key_of(**facts: Any) -> str:
    """Returns a name for what follows from some facts, all plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached(name: str, key: str | None, make: Callable[[Path], None]) -> CachedFolder:
    """Returns a folder with what `make` writes into it, once for each key.

    Of several processes that ask for it at once, one makes it and the others wait. Half of a folder is never used.

    Args:
        name: what it holds, for people who look into the cache.
        key: what it follows from; None: it is made for this process alone.
        make: writes into an empty folder.

    Raises:
        MachineError: the disk of the cache is full.
    """
    from filelock import FileLock

    root = _made_root()
    if key is None:
        path = Path(tempfile.mkdtemp(dir=root, prefix=f"{name}-private-"))
        folder = CachedFolder(path, is_private=True)
        _made(path, make)
        return folder
    path = root / f"{name}-{key}"
    if not path.is_dir():
        with FileLock(f"{path}.lock"):
            if not path.is_dir():
                _make(root, path, make)
                prune(root)
    elif name == EXAMPLES:
        note(f"the rows that were read before are used again ({path})")
    os.utime(path)  # when it was used, for `prune`
    return CachedFolder(path)


EXAMPLES, ROWS = "examples", "rows"
"""What folders hold: examples as they were read, and rows of a model's inputs."""


def most_bytes() -> float:
    """Returns how large the cache may become (FTKIT_CACHE_GB).

    Raises:
        ConfigError: that is no number.
    """
    given = os.environ.get("FTKIT_CACHE_GB", "")
    try:
        return float(given or DEFAULT_GIGABYTES) * 1e9
    except ValueError:
        raise ConfigError(f"FTKIT_CACHE_GB: expected a number of gigabytes, such as 20, got {given!r}.") from None


def prune(root: Path) -> None:
    """Deletes what has not been used for longest, until the cache is as small as it should be.

    What was used within the last hour stays: a process may be about to open it. One that has it open reads on.
    """
    found = sorted((path.stat().st_mtime, path) for path in root.iterdir() if _is_finished(path))
    total = sum(map(_size, (path for _, path in found)))
    for last_used, path in found:
        if total <= most_bytes():
            return
        if time.time() - last_used > IN_USE_SECONDS:
            total -= _size(path)
            shutil.rmtree(path, ignore_errors=True)
            Path(f"{path}.lock").unlink(missing_ok=True)
            note(f"deleted from the cache, which may take {most_bytes() / 1e9:g} GB (FTKIT_CACHE_GB): {path}")


def _is_finished(path: Path) -> bool:
    return path.is_dir() and "-part-" not in path.name and "-private-" not in path.name


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _made_root() -> Path:
    """Returns the folder of the cache, which can be written.

    Raises:
        MachineError: it cannot.
    """
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError as error:
        cause = told(OSError(error.errno, error.strerror), root) or f"{root}: {error.strerror}"
        raise MachineError(cause, _WHY) from None


def _make(root: Path, path: Path, make: Callable[[Path], None]) -> None:
    for left in root.glob(f"{path.name}-part-*"):  # of a process that was killed: nobody else makes it now
        shutil.rmtree(left, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(dir=root, prefix=f"{path.name}-part-"))
    try:
        _made(beside, make)
        beside.rename(path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _made(folder: Path, make: Callable[[Path], None]) -> None:
    try:
        make(folder)
    except OSError as error:
        if not is_full(error):
            raise
        cause = told(error, folder) or str(error)
        raise MachineError(cause, _WHY) from None


_WHY = "Large data are kept on disk while they are used; HF_DATASETS_CACHE says in which folder."
