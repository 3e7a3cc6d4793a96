"""An adapter in a bank, and the requests of a call that are for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.adapters.task_adapter import Encoded, TaskAdapter
from ftkit.runs.trained_adapter import TrainedAdapter
from ftkit.types import Split

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
        encoded: their rows.
    """

    name: str
    member: Member
    positions: Sequence[int]
    split: Split
    encoded: Encoded
