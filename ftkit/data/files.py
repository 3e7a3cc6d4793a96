"""Writes files whole or not at all: a reader never meets half a file, and a crash leaves the old one."""

from __future__ import annotations

import json
import math
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ftkit.errors import MachineError, UserError
from ftkit.machine_faults import is_full, told
from ftkit.paths import check_can_make, user_path


@contextmanager
def atomic_file(path: str | Path, *, newline: str | None = "\n") -> Iterator[TextIO]:
    """Opens a UTF-8 text file that takes its place only when the block ends without an exception.

    The text goes to a temporary file in the same folder (a rename is atomic only within a file system),
    is flushed to disk, and then replaces `path`. Missing folders are made. A link is followed, and
    something that is not a regular file, such as a pipe, is written directly.

    Raises:
        UserError: the file cannot be made there.
        MachineError: the disk is full; a file that lay there is as it was.
    """
    target = Path(os.path.realpath(user_path(path)))
    if target.exists() and not target.is_file() and not target.is_dir():
        with open(target, "w", encoding="utf-8", newline=newline) as pipe:
            yield pipe
        return
    if target.is_dir():
        raise UserError(f"{path} is a folder; expected the name of a file to write.")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    new_file = _created(path, target, temporary, newline)
    try:
        with new_file as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and is_full(error):
            raise _refused(error, target) from None
        if isinstance(error, OSError) and error.filename == str(temporary):
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise


def free_folder(path: str | Path) -> Path:
    """Returns the path of a folder that is to be made.

    Raises:
        UserError: there is a file, or a folder that holds something.
    """
    folder = user_path(path)
    if folder.is_file():
        raise UserError(f"{path} is a file; expected a folder that does not exist yet, or is empty.")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{path} already exists and is not empty. Choose another folder; nothing was written.")
    check_can_make(folder, "The folder to write")
    return folder


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Gives an empty folder to write to, which takes the place of `target` when the block ends without an exception.

    Args:
        target: what `free_folder` gave. Missing folders above it are made.

    Raises:
        UserError: nothing can be written there.
        MachineError: the disk is full; nothing was written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror} ({target.parent}).") from None
    with beside as folder:
        staging = Path(folder) / "staging"
        try:
            staging.mkdir()
            yield staging
        except Exception as error:  # libraries have errors of their own for a full disk
            if is_full(error) or isinstance(error, MachineError):
                raise _refused(error, target) from None
            raise
        if target.is_dir():
            target.rmdir()
        staging.rename(target)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all; line ends are written as they are."""
    with atomic_file(path, newline="") as file:
        file.write(text)


def atomic_write_json(path: str | Path, value: Any) -> None:
    """Writes indented JSON, whole or not at all: keys in their order, NaN and infinities as null."""
    atomic_write_text(path, json.dumps(json_safe(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def json_safe(value: Any) -> Any:
    """Returns a value with NaN and infinities replaced by None, at any depth: JSON has no word for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    return value


def _created(path: str | Path, target: Path, temporary: Path, newline: str | None) -> TextIO:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return open(temporary, "x", encoding="utf-8", newline=newline)
    except OSError as error:
        if is_full(error):
            raise _refused(error, target) from None
        raise UserError(f"{path} cannot be written: {error.strerror} ({target.parent}).") from error


def _refused(error: Exception, target: Path) -> MachineError:
    """Returns the message for a file or folder that the machine would not take."""
    if isinstance(error, MachineError):
        cause = error.cause
    else:
        named = OSError(error.errno, error.strerror) if isinstance(error, OSError) else error
        cause = told(named, target) or str(error)
    return MachineError(cause, "The old file is as it was." if target.is_file() else "Nothing was written.")
