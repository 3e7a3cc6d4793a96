"""What people see of work that takes long: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from ftkit.console import console, note

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 30.0  # in a log: often enough to see life, rarely enough to read
_SECONDS_BETWEEN_UPDATES = 0.2
_SHORT = 2.0  # what is done after so many seconds was not worth a word


@contextmanager
def progress(what: str, total: int | None = None, *, unit: str = "rows") -> Iterator[Callable[[int], None]]:
    """Shows how far some work is; gives what is to be called with the number of units that were done since.

    Args:
        what: the work, such as `reading train.csv`.
        total: units in all; None where nobody knows.
    """
    shown = _Shown(what, total, unit)
    try:
        yield shown.advance
    finally:
        shown.close()


def each(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yields items, and shows how many there were."""
    with progress(what, total) as advance:
        count = 0
        for count, item in enumerate(items, 1):
            if count % 1_000 == 0:
                advance(1_000)
            yield item
        advance(count % 1_000)


class _Shown:
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.count, self.started = 0, time.monotonic()
        self.bar: Progress | None = None
        self.last_update = self.last_line = self.started

    def advance(self, count: int) -> None:
        self.count += count
        now = time.monotonic()
        if now - self.last_update < _SECONDS_BETWEEN_UPDATES or now - self.started < _SHORT:
            return
        self.last_update = now
        if console().is_terminal:
            self._show()
        elif now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            of = "" if self.total is None else f" of {self.total:,}"
            note(f"{self.what}: {self.count:,}{of} {self.unit}")

    def _show(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self.bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=console(), transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.what, total=self.total)
        self.bar.update(self.task, completed=self.count)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
        seconds = time.monotonic() - self.started
        if seconds >= _SHORT and self.count:
            note(f"{self.what}: {self.count:,} {self.unit} in {seconds:,.0f} s")
