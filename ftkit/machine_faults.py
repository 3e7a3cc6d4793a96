"""What a machine refuses, told in words: a full disk, a quota, a file system that cannot be written, a lost file.

Libraries raise it as OSError, or as an error of their own that quotes the system's number or words.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from ftkit.errors import MachineError

_PLACES = {
    errno.ENOSPC: "the disk of {place} is full{free}. Free some space",
    errno.EDQUOT: "your quota of disk space for {place} is used up. Free some space, or ask for more",
    errno.EFBIG: "{place}: a file grew larger than this process may write. Raise the limit (ulimit -f)",
    errno.EROFS: "{place} lies on a file system that is read-only by now. Make it writable",
    errno.EACCES: "there is no permission for {place}. Make it readable and writable",
    errno.EPERM: "there is no permission for {place}. Make it readable and writable",
    errno.EIO: "the disk of {place} failed to read or write. Look at the system's log",
    errno.ENOENT: "{place} is gone: something removed it, or a folder that it lay in. Leave the run's files in place",
    errno.ENOTDIR: "{place} is gone: a file lies where a folder was. Remove it",
    errno.ESTALE: "{place} is gone: the file server has lost it. Look at the server",
    errno.EMFILE: "this process has too many open files ({place}). Raise the limit (ulimit -n)",
    errno.ENFILE: "this machine has too many open files ({place}). Close some programs",
}
"""Number of the system -> what it means, and what to do."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What no other path on the same disk mends."""

_NOT_WHOLE = "{place}: a file could not be written whole; the disk is full or sizes are limited{free}. Free some space"
_QUOTED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")
_TORCH = ("inline_container.cc", "PytorchStreamWriter", "iostream error")
_NO_PARENT = re.compile(r"Parent directory (.+) does not exist")


def system_number(error: BaseException) -> int | None:
    """Returns the number of the system in an error, 0 if it is a failed write without one; None of other errors."""
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if found := _QUOTED.search(text):
        return int(found[1] or found[2])
    if _NO_PARENT.search(text):
        return errno.ENOENT
    if any(part in text for part in _TORCH) and "StreamReader" not in text:
        return next((number for number in _PLACES if os.strerror(number) in text), 0)
    return None


def told(error: BaseException, place: Path | None) -> str | None:
    """Returns what a machine's fault is and what to do, without a full stop; None of an error that is none.

    Args:
        place: what was written or read, where the error does not say; None if that is not known.
    """
    number = system_number(error)
    if number is None or (number and number not in _PLACES):
        return None
    if isinstance(error, OSError) and error.filename is not None:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else place
    if found := _NO_PARENT.search(str(error)):
        place = Path(found[1])
    text = _PLACES.get(number, _NOT_WHOLE)
    return text.format(place=place or "the output", free="" if place is None else f" ({_free_text(place)})")


def is_full(error: BaseException) -> bool:
    """Tells whether a file cannot be written since the disk or a limit is in the way, wherever the file lies."""
    return system_number(error) in {*FULL, 0}


def as_machine_error(error: Exception) -> MachineError | None:
    """Returns the message for a command that cannot write what it makes; None of an error that is no full disk."""
    cause = told(error, None) if is_full(error) or system_number(error) == errno.EROFS else None
    return None if cause is None else MachineError(cause, "What was to be written is not whole.")


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuses to begin a file for which the disk has no room.

    Args:
        folder: in which it is to lie.
        needed: its size in bytes.
        what: what is to be written.

    Raises:
        MachineError: there is no room.
    """
    free = free_bytes(folder)
    if free is not None and free < needed:
        raise MachineError(
            f"The disk of {folder} is too full for {what}, which takes about {_megabytes(needed)} "
            f"({_free_text(folder)}). Free some space"
        )


def free_bytes(folder: Path) -> int | None:
    """Returns how much room the disk of a folder has; None where it cannot be told."""
    place = next((path for path in (folder, *folder.absolute().parents) if os.path.exists(path)), folder)
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _megabytes(num_bytes: int) -> str:
    """Returns a size as people read it."""
    return f"{num_bytes / 1e6:,.1f} MB"


def _free_text(place: Path) -> str:
    free = free_bytes(place)
    return "its free space cannot be told" if free is None else f"{_megabytes(free)} free"
