"""An adapter in a bank, and the requests of a call that are for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.inference.input_rows import InputRows, Window
from ftkit.runs.trained_adapter import TrainedAdapter

if TYPE_CHECKING:
    from ftkit.engine.batching import BatchLimits
    from ftkit.inference.shared_body import SharedBody


@dataclass(frozen=True)
class Member:
    """An adapter in a bank.

    Attributes:
        model: all of its model; of an adapter that shares a body, its head.
        body: what it shares forward passes with; None if it runs by itself.
        num_bytes: of its own tensors.
        limits: bounds of a batch.
    """

    trained: TrainedAdapter
    adapter: TaskAdapter
    model: Any
    body: SharedBody | None
    num_bytes: int
    limits: BatchLimits


@dataclass(frozen=True, eq=False)
class Job:
    """The requests of a call that are for one adapter.

    Attributes:
        positions: where they stand in the call.
        rows: finds those that cannot be predicted.
        window: of all of them.
    """

    name: str
    member: Member
    positions: Sequence[int]
    rows: InputRows
    window: Window

    @property
    def encoded(self) -> Encoded:
        """Rows of those that can be predicted; there are some."""
        assert self.window.encoded is not None
        return self.window.encoded

    def readable(self) -> Job:
        """Returns the requests without those whose files cannot be decoded; itself where all can.

        Raises:
            DataError: one cannot, and that is to stop the call.
        """
        window = self.rows.readable(self.window.examples, self.window.bad)
        return self if window is None else dataclasses.replace(self, window=window)
