"""What people see: notes and warnings on stderr, once per run and not once per process."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def is_main_process() -> bool:
    """Tells whether this process may speak and write files for all; launchers number the others from 1."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) <= 0


@functools.cache
def console(*, stderr: bool = True) -> Console:
    """Returns the shared rich console; silent on all but the main process."""
    from rich.console import Console

    return Console(stderr=stderr, quiet=not is_main_process(), highlight=False, soft_wrap=True)


def note(message: str) -> None:
    """Says what is going on."""
    console().print(message, markup=False, style="dim")


def warn(message: str) -> None:
    """Says what the user should know but need not act on."""
    console().print(f"warning: {message}", markup=False, style="yellow")
