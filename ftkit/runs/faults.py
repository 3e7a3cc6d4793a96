"""What a machine refuses in the middle of a run, told in one message: what happened, what is safe, what to do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ftkit.engine.checkpoints import newest_finished
from ftkit.errors import DataError, Interrupted, MachineError, RunError, UserError
from ftkit.machine_faults import told
from ftkit.runs.directory import RunDirectory


@contextlib.contextmanager
def faults_told(directory: RunDirectory) -> Iterator[None]:
    """Turns what a machine refuses inside the block, and data that changed while it ran, into a RunError.

    Raises:
        MachineError: a disk was full, a file was gone, or the like.
        RunError: a data file could be read when the run was started, and cannot be read now.
    """
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        cause = _cause(error, directory)
        if cause is not None:
            raise MachineError(cause, what_is_safe(directory)) from None
        if isinstance(error, DataError) and directory.is_started:
            raise RunError(
                f"{_own_words(error)} It could be read when the run was started: bring it back as it was. "
                f"{what_is_safe(directory)}"
            ) from None
        raise


def what_is_safe(directory: RunDirectory) -> str:
    """Returns sentences on what of a run that could not finish is on disk, and how it goes on."""
    try:
        newest = newest_finished(directory.checkpoints) if os.listdir(directory.checkpoints) else None
    except FileNotFoundError:
        newest = None
    except OSError:
        return "What was saved is as it was: the same command goes on from there, once it can be read."
    before = f" The run that was in {directory.path} is as it was." if directory.work != directory.path else ""
    if newest is None:
        return f"No checkpoint had been saved: the same command starts the run again.{before}"
    return f"{newest} is whole: the same command goes on from there.{before}"


def _cause(error: Exception, directory: RunDirectory) -> str | None:
    """Returns what the machine refused; None where that is not why a run ends."""
    if isinstance(error, MachineError):
        return error.cause
    if directory.is_started and (lost := _what_is_lost(directory)) is not None:
        return lost
    if isinstance(error, UserError):  # a file that could not be written is the user's mistake only before a run
        cause = error.__cause__
        return told(cause, directory.work) if isinstance(cause, OSError) else None
    return None if isinstance(error, RunError) else told(error, directory.work)


def _what_is_lost(directory: RunDirectory) -> str | None:
    """Returns what has become of a run's folder that was removed or taken over; None where it is as it was."""
    try:
        directory.check_is_there()
    except MachineError as error:
        return error.cause
    except OSError as error:
        return told(error, directory.work)
    return None


def _own_words(error: DataError) -> str:
    """Returns the message of an error; what a worker process of a data loader adds to it is left out."""
    return str(error).rpartition(f"{type(error).__name__}: ")[2].strip()
