"""Signals that ask a run to end: while it trains it saves its step first, and everywhere else it ends at once.

What schedulers and people send is SIGTERM, SIGINT (Ctrl+C), SIGHUP and SIGUSR1. A second signal ends the process where
it stands; whatever is on disk is whole at any moment. What a launcher passes on right away is the same signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from ftkit.console import is_main_process
from ftkit.errors import Interrupted

if TYPE_CHECKING:
    import torch

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)  # Windows has the first two


LAUNCHED = ("LOCAL_RANK", "ACCELERATE_MIXED_PRECISION")
"""Variables that `torchrun` and `accelerate launch` set, this one for a single process as well."""


PASSED_ON_WITHIN = 5.0
"""Seconds within which a second signal is the first, passed on by a launcher: Ctrl+C and Slurm may reach both."""


BEFORE_TRAINING = " before training began. The same command begins it, or goes on"
"""What is said of a signal that comes while a command still starts."""


class Interruption:
    """Whether a run is asked to end.

    Args:
        when: what is said behind the signal's name, without a full stop.

    Attributes:
        reason: what asked for it, such as `SIGTERM`; None: nothing has.
    """

    def __init__(self, when: str = "") -> None:
        self.reason: str | None = None
        self._when = when
        self._is_noted = 0
        self._time_of_signal = 0.0
        is_launched = any(name in os.environ for name in LAUNCHED)
        self._launcher = os.getppid() if is_launched else None

    @property
    def is_asked(self) -> bool:
        """Whether the run is to end. A launcher that was killed asks for it, too: its workers must not train on."""
        if self.reason is None and self._launcher is not None and os.getppid() != self._launcher:
            self.reason = "the loss of its launcher"
        return self.reason is not None

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Lets the block decide where to end; a signal that it does not heed ends the run after the block."""
        self._is_noted += 1
        try:
            yield
        finally:
            self._is_noted -= 1
        self.heed()

    @contextlib.contextmanager
    def completing(self) -> Iterator[None]:
        """Lets the block come to its end; as the run is finished then, a signal meanwhile ends nothing.

        A signal that came before ends the run here: code that it was raised in may have taken it for an error of its
        own, such as a metric that cannot be computed.
        """
        self.heed()
        self._is_noted += 1
        try:
            yield
        finally:
            self._is_noted -= 1

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Ends the run inside the block, also where that is part of a block of `noted`."""
        was, self._is_noted = self._is_noted, 0
        try:
            self.heed()
            yield
            self.heed()  # where the block has taken the signal for an error of its own, and gone on without a result
        finally:
            self._is_noted = was

    def heed(self) -> None:
        """Raises Interrupted if the run is asked to end and nobody wants to decide where."""
        if self.is_asked and not self._is_noted:
            raise Interrupted(f"Interrupted by {self.reason}{self._when}.")

    @contextlib.contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Listens to signals inside the block; not where another thread than the main one runs it.

        A signal that is ignored, as SIGHUP is under nohup, stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
        for number in heard:
            signal.signal(number, self._note)
        try:
            yield self
        finally:
            for number in heard:
                signal.signal(number, before[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None:
            if self._launcher is not None and time.monotonic() - self._time_of_signal < PASSED_ON_WITHIN:
                return
            os._exit(128 + number)
        self.reason, self._time_of_signal = signal.Signals(number).name, time.monotonic()
        if self._is_noted and is_main_process():
            # Not by way of a stream, which may be in the middle of a write.
            os.write(2, f"\n{self.reason}: finishing and saving what has begun; once more stops at once\n".encode())
        self.heed()


@contextlib.contextmanager
def ending_in_order_from_the_start() -> Iterator[Interruption]:
    """Ends a command that still reads its config and imports libraries as a run is ended, by a signal in the block.

    Raises:
        Interrupted: also where a library took it for a failed import of its own, at the end of the block.
    """
    with Interruption(BEFORE_TRAINING).listening() as interruption:
        yield interruption
        interruption.heed()


def interruption_behind(error: BaseException | None) -> Interrupted | None:
    """Returns the interruption that an error is, or that code took for a fault of its own and raised it for."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__cause__ or error.__context__
    return error


class Agreement:
    """Tells all ranks whether any of them says yes; each hears it one call later, so that none waits for the others.

    Args:
        world_size: number of ranks; one alone hears itself at once.
        device: where the ranks' backend reduces tensors.
    """

    def __init__(self, world_size: int, device: torch.device) -> None:
        self._world_size, self._device = world_size, device
        self._asked: tuple[Any, torch.Tensor] | None = None

    def of(self, says_yes: bool) -> bool:
        """Returns whether any rank said yes at the call before; all ranks make equally many calls."""
        if self._world_size == 1:
            return says_yes
        import torch
        from torch import distributed

        asked, answers = self._asked, torch.tensor(float(says_yes), device=self._device)
        self._asked = (distributed.all_reduce(answers, op=distributed.ReduceOp.MAX, async_op=True), answers)
        if asked is None:
            return False
        work, before = asked
        work.wait()
        return bool(before > 0)
