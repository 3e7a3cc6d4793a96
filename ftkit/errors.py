"""What ftkit raises when the user can act on it: one message, no traceback.

A message says what was got, where, what was expected and the likely fix. `assert` is for our own bugs.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class FtkitError(Exception):
    """Base of every error meant for the user. The command line prints it and exits with `exit_code`.

    Attributes:
        tells_for_all: whether it is told by the rank that raises it, whichever that is, for all ranks of a run.
        is_told_elsewhere: whether another rank tells it.
    """

    exit_code = 1
    tells_for_all = is_told_elsewhere = False


class RunError(FtkitError):
    """The run started and could not finish: a loss that is not a number, a proof that failed."""


class OutOfMemory(RunError):
    """Memory is too small for what cannot be made smaller.

    Of several processes it may be one alone: that one says so, whichever it is.
    """


class MachineError(RunError):
    """The machine refused: a full disk, a file system that cannot be written, a file that is gone.

    Attributes:
        cause: what happened and what to do, without a full stop.
    """

    def __init__(self, cause: str, safe: str = "") -> None:
        """Makes the message.

        Args:
            safe: a sentence on what is as it was.
        """
        self.cause = cause
        super().__init__(f"{cause[0].upper()}{cause[1:]}. {safe}".rstrip())


class Interrupted(FtkitError):
    """A signal asked the run to end, and it did so in good order: the same command goes on from there."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


class HubError(FtkitError):
    """The Hub refused, or could not be reached. What lies on this machine is as it was."""


class UserError(FtkitError):
    """The user's config, data, checkpoint or flag is wrong. Nothing was written."""

    exit_code = 2


class ConfigError(UserError):
    """A config key or value is wrong."""


class DataError(UserError):
    """A data file, row or label is wrong."""


class RowError(DataError):
    """A row cannot be brought into the form that a model reads; which file it stands in is for the caller to say."""


@contextlib.contextmanager
def source_told(source: str) -> Iterator[None]:
    """Says of a row that cannot be encoded in which file it stands: `chats.jsonl, line 7 (id 6): ...`.

    Raises:
        DataError: a row cannot be encoded.
    """
    try:
        yield
    except RowError as error:
        raise DataError(f"{source}, {error}") from None


class NothingFits(DataError):
    """Each of the examples is longer than the model reads, so that nothing of them could be learnt."""


class CheckpointError(UserError):
    """A checkpoint cannot be used for what was asked."""


def closest_name(name: str, choices: Iterable[str]) -> str | None:
    """Returns the choice nearest to `name` in spelling, or None.

    Nearly the same word comes first, then a word that goes on where the name ends, or where it ends but for a wrong
    last letter (`adamm` is taken for `adamw_torch`, not for `ademamix`), then a similar word.
    """
    lowered = {choice.lower(): choice for choice in choices}
    wanted = str(name).lower()
    beginnings = [wanted] * (len(wanted) > 2) + [wanted[:-1]] * (len(wanted) > 4)
    matches = (
        *difflib.get_close_matches(wanted, lowered, n=1, cutoff=0.8),
        *(choice for beginning in beginnings for choice in lowered if choice.startswith(beginning)),
        *difflib.get_close_matches(wanted, lowered, n=1, cutoff=0.6),
    )
    return lowered[matches[0]] if matches else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the closest choice, else an empty string; made to be appended."""
    match = closest_name(name, choices)
    return f" Did you mean {match!r}?" if match is not None else ""


def name_list(names: Iterable[object], *, limit: int = 12) -> str:
    """Returns names as `'a', 'b', 'c' (+4 more)`, for messages that list what is available."""
    items = [repr(str(name)) for name in names]
    shown = ", ".join(items[:limit])
    return f"{shown} (+{len(items) - limit} more)" if len(items) > limit else shown
