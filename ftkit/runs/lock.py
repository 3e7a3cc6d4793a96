"""One process at a time trains into a run directory.

The lock is the kernel's (flock): it is held as long as the process lives, suspended or not, and a kill frees it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, Timeout

from ftkit.console import warn
from ftkit.data.files import atomic_write_json
from ftkit.errors import ConfigError
from ftkit.json_file import read_json_object
from ftkit.machine_faults import told
from ftkit.runs.files import CHECKPOINTS, LOCK_FILE, OWNER_FILE


class RunLock:
    """The right to write into a run directory; free again when the block ends."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self._file: os.stat_result | None = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the lock back; does nothing where it was not taken."""
        if self._lock is not None:
            self._lock.release()

    def take(self, folder: Path) -> None:
        """Takes the lock of a run directory, which is made where there is none.

        Raises:
            ConfigError: another process trains there; the message names it.
            OSError: nothing can be written there.
        """
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / CHECKPOINTS / LOCK_FILE, blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise ConfigError(_refusal(folder)) from None
        except (OSError, NotImplementedError) as error:
            if told(error, folder) is not None:
                raise  # not only a lock cannot be written there
            warn(
                f"{folder} cannot be locked ({error}): nothing keeps a second process from training there. File "
                "systems over a network may lack locks."
            )
            return
        self._lock, self._file = lock, os.stat(lock.lock_file)
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        atomic_write_json(folder / CHECKPOINTS / OWNER_FILE, owner)

    def check_is_held(self) -> None:
        """Makes sure that the file which is locked still lies where others look for it; does nothing without a lock.

        Raises:
            FileNotFoundError: it was removed, and another process may train there by now.
        """
        if self._lock is None or self._file is None:
            return
        path = self._lock.lock_file
        if not os.path.samestat(os.stat(path), self._file):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def check_is_free(folder: Path) -> None:
    """Refuses a run directory into which a process trains; nothing is written.

    Raises:
        ConfigError: naming the process.
    """
    path = folder / CHECKPOINTS / LOCK_FILE
    if not path.is_file():
        return
    with contextlib.suppress(OSError, NotImplementedError):
        try:
            with FileLock(path, timeout=1.0):  # longer than others look
                pass
        except Timeout:
            raise ConfigError(_refusal(folder)) from None


def _refusal(folder: Path) -> str:
    owner = {}
    with contextlib.suppress(OSError, ValueError):
        owner = read_json_object(folder / CHECKPOINTS / OWNER_FILE)
    who = "process {pid} on {host}, since {since}".format_map({"pid": "?", "host": "?", "since": "?", **owner})
    return (
        f"output_dir: {folder} is being trained into by another run ({who}). Wait for it or stop it, and repeat the "
        "command; or choose another output_dir."
    )
