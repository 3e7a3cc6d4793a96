"""One process at a time trains into a run directory.

The lock is the kernel's (flock): it is held as long as the process lives, suspended or not, and a kill frees it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ftkit.console import warn
from ftkit.data.files import atomic_write_json
from ftkit.errors import ConfigError, MachineError
from ftkit.json_file import read_json_object
from ftkit.machine_faults import told
from ftkit.runs.files import CHECKPOINTS, LOCK_FILE, OWNER_FILE


class RunLock:
    """The right to write into a run directory; free again when the block ends."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self._file: os.stat_result | None = None
        self._owner: tuple[Path, dict[str, Any]] | None = None

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the lock back; does nothing where it was not taken."""
        if self._lock is not None:
            self._lock.release()
        self._lock = self._owner = None

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
                f"{folder} cannot be locked ({error}): a second process that trains there takes it over. File systems "
                "over a network may lack locks."
            )
        else:
            self._lock, self._file = lock, os.stat(lock.lock_file)
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        owner["token"] = secrets.token_hex(8)
        self._owner = folder / CHECKPOINTS / OWNER_FILE, owner
        atomic_write_json(*self._owner)

    def check_is_held(self) -> None:
        """Makes sure that the file which is locked still lies where others look for it, and names this process.

        Nothing happens before the lock has been asked for.

        Raises:
            MachineError: another process has taken the folder over.
            FileNotFoundError: the file was removed, and another process may train there by now.
        """
        if self._owner is None:
            return
        path, owner = self._owner
        if read_json_object(path) != owner:
            raise MachineError(
                f"another run trains into {path.parent.parent} by now ({_owner(path)}), and this one writes nothing "
                "more. Wait for it, or choose another output_dir"
            )
        if self._lock is not None and self._file is not None:
            locked = self._lock.lock_file
            if not os.path.samestat(os.stat(locked), self._file):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), locked)


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
    return (
        f"output_dir: {folder} is being trained into by another run ({_owner(folder / CHECKPOINTS / OWNER_FILE)}). "
        "Wait for it or stop it, and repeat the command; or choose another output_dir."
    )


def _owner(path: Path) -> str:
    owner: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        owner = read_json_object(path)
    return "process {pid} on {host}, since {since}".format_map({"pid": "?", "host": "?", "since": "?", **owner})
