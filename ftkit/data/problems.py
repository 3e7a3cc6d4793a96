"""Collects everything that is wrong with the data, so that a user can fix it all in one go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ftkit.errors import DataError, UserError

MAX_PLACES = 5
"""Places named for each problem: enough to see a pattern."""

MAX_PROBLEMS = 20
"""Problems listed in one message; more than a screen of them is not read."""


@dataclass
class _Problem:
    message: str
    remedy: str | None
    count: int = 0
    places: list[str] = field(default_factory=list)
    num_repeated: int = 0  # at a place that is named

    def add(self, where: str | None, times: int = 1) -> None:
        self.count += times
        if where in self.places:
            self.num_repeated += times
        elif where is not None and len(self.places) < MAX_PLACES:
            self.places.append(where)

    def lines(self) -> list[str]:
        times = f" ({self.count:,} times)" if self.count > 1 else ""
        lines = [f"{self.message}{times}"]
        if self.places:
            more = self.count - len(self.places) - self.num_repeated
            lines.append(f"at {'; '.join(self.places)}" + (f" (+{more:,} more)" if more > 0 else ""))
        if self.remedy:
            lines.append(f"fix: {self.remedy}")
        return lines


class Problems:
    """Errors and warnings about data, grouped: the same sort of problem in many rows is one entry.

    Example:
        problems = Problems()
        problems.error("the text is empty", where="train.csv, line 3", remedy="delete these rows")
        problems.raise_if_any()
    """

    def __init__(self) -> None:
        self._errors: dict[str, _Problem] = {}
        self._warnings: dict[str, _Problem] = {}

    def __bool__(self) -> bool:
        """True if there is an error; warnings alone do not stop a run."""
        return bool(self._errors)

    def error(
        self,
        message: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        kind: str | None = None,
        times: int = 1,
    ) -> None:
        """Records something that stops the run.

        Args:
            message: what was got and what was expected.
            where: file and line.
            remedy: what the user can do about it.
            kind: problems of one kind are one entry, shown by its first message; default: the message.
            times: of how many rows it is told at once.
        """
        self._errors.setdefault(kind or message, _Problem(message, remedy)).add(where, times)

    def warn(
        self, message: str, *, where: str | None = None, remedy: str | None = None, kind: str | None = None
    ) -> None:
        """Records something that the user should know but that does not stop the run; as `error`."""
        self._warnings.setdefault(kind or message, _Problem(message, remedy)).add(where)

    @property
    def warnings(self) -> list[str]:
        """One line for each sort of warning, with its places and remedy."""
        return ["; ".join(problem.lines()) for problem in self._warnings.values()]

    @property
    def messages(self) -> list[str]:
        """What is wrong, without places and remedies, one text for each sort of error."""
        return [problem.message for problem in self._errors.values()]

    @property
    def errors(self) -> list[str]:
        """One text of up to three lines for each sort of error: what, where, how to fix it."""
        return ["\n".join(problem.lines()) for problem in self._errors.values()]

    @contextlib.contextmanager
    def told_first(self) -> Iterator[None]:
        """Tells the errors recorded so far instead of one that is raised within.

        Rows with errors may have been left out, and that what is left is too little, or does not fit, follows from it.
        """
        try:
            yield
        except UserError:
            self.raise_if_any()
            raise

    def raise_if_of_all(self) -> None:
        """Raises as `raise_if_any` does where an error has no place, being one of all rows together."""
        if any(not problem.places for problem in self._errors.values()):
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raises one DataError that lists all errors recorded so far; does nothing if there are none."""
        if not self._errors:
            return
        listed = self.errors[:MAX_PROBLEMS]
        parts = [f"{number}. {text}".replace("\n", "\n   ") for number, text in enumerate(listed, 1)]
        if len(self._errors) > MAX_PROBLEMS:
            parts.append(f"... and {len(self._errors) - MAX_PROBLEMS} more")
        noun = "problem" if len(self._errors) == 1 else "problems"
        raise DataError("\n".join([f"The data has {len(self._errors)} {noun}:", *parts]))
