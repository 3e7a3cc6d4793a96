"""What an optimizer step holds, and who computes it: a part of every checkpoint, so that a run goes on in equal steps.

As steps are planned before they are dealt out, a run may go on with any number of processes: its remaining steps are
those that it would have taken, and each row comes once an epoch. They are others where a step holds more or less.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ftkit.console import note, warn
from ftkit.data.files import atomic_write_json
from ftkit.engine import checkpoints
from ftkit.engine.batching import StepSize
from ftkit.engine.step_plan import StepPlan
from ftkit.errors import ConfigError
from ftkit.json_file import read_json_object

GLOBAL_BATCH_FILE = "global_batch.json"


@dataclass(frozen=True)
class GlobalBatch:
    """The rows of an optimizer step.

    Attributes:
        num_processes: that compute a step together.
        gradient_accumulation_steps: micro-batches of each.
        rows: in a micro-batch, at most; None: they are not limited.
        cost: positions in a micro-batch; None: they are not limited.
        steps_per_epoch: optimizer steps; None of a stream, of which nobody knows.
        is_by_cost: whether steps are equal shares of positions; else they are of rows.
        is_whole: whether the rows of a micro-batch are compared with one another, so that it has to hold the same.
    """

    num_processes: int
    gradient_accumulation_steps: int
    rows: int | None
    cost: int | None
    steps_per_epoch: int | None
    is_by_cost: bool
    is_whole: bool = False

    @classmethod
    def of(cls, plan: StepPlan, *, endless: bool = False) -> GlobalBatch:
        """Returns that of a plan.

        Args:
            endless: the plan is that of a part of a stream.
        """
        num_steps, size = None if endless else plan.num_steps, plan.size
        counts = (plan.num_ranks, plan.num_micro_batches)
        return cls(*counts, size.rows, size.cost, num_steps, plan.is_by_cost, size.is_whole)

    @classmethod
    def load(cls, checkpoint: Path) -> GlobalBatch | None:
        """Reads that of a checkpoint; None where it has none, or none that can be read."""
        try:
            return cls(**read_json_object(checkpoint / GLOBAL_BATCH_FILE))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, checkpoint: Path) -> None:
        """Writes it into a checkpoint."""
        atomic_write_json(checkpoint / GLOBAL_BATCH_FILE, dataclasses.asdict(self))

    def has_steps_of(self, other: GlobalBatch) -> bool:
        """Tells whether both cut the same order of the same rows into the same steps."""
        if (self.is_whole or other.is_whole) and self.num_micro_batches != other.num_micro_batches:
            return False
        if self.steps_per_epoch is None or other.steps_per_epoch is None:
            mine = (self.steps_per_epoch, self.most(self.rows), self.most(self.cost))
            return mine == (other.steps_per_epoch, other.most(other.rows), other.most(other.cost))
        return (self.steps_per_epoch, self.is_by_cost) == (other.steps_per_epoch, other.is_by_cost)

    @property
    def num_micro_batches(self) -> int:
        """Micro-batches of an optimizer step, of all processes."""
        return self.num_processes * self.gradient_accumulation_steps

    def most(self, in_micro_batch: int | None) -> int | None:
        """Returns how many rows, or positions, a step holds if a micro-batch holds so many."""
        count = self.num_processes * self.gradient_accumulation_steps
        return None if in_micro_batch is None else in_micro_batch * count

    def told(self) -> str:
        """Returns it in words.

        Example: 2 processes x 4 accumulated x 8 rows, 64 rows in an optimizer step, 10 steps an epoch.
        """
        in_micro_batch, noun = (self.cost, "tokens") if self.is_by_cost else (self.rows, "rows")
        count = self.gradient_accumulation_steps
        accumulated = f"{count} accumulated x " if count > 1 else ""
        per_epoch = "" if self.steps_per_epoch is None else f", {self.steps_per_epoch:,} steps an epoch"
        return (
            f"{_counted(self.num_processes)} x {accumulated}{in_micro_batch:,} {noun}, {self.most(in_micro_batch):,} "
            f"{noun} in an optimizer step{per_epoch}"
        )


def check_same_steps(folder: Path, plan: StepPlan, *, endless: bool = False) -> None:
    """Makes sure that a run goes on in the optimizer steps in which it began; tells of another number of processes.

    Args:
        folder: of its checkpoints.
        endless: it trains on a stream, and the plan is that of a part of it.

    Raises:
        ConfigError: they would hold other rows; it says what makes them the same.
    """
    now, newest = GlobalBatch.of(plan, endless=endless), checkpoints.newest_finished(folder)
    if newest is None:
        return
    before = GlobalBatch.load(newest)
    if before is None:
        if plan.num_ranks * plan.num_micro_batches > 1:
            warn(
                f"{newest} does not say what its optimizer steps hold. If an earlier release saved it, which dealt "
                "rows out in another way, some rows come twice in the epoch that is going on, and others not at all."
            )
    elif not now.has_steps_of(before):
        raise ConfigError(
            f"The run began with {before.told()}; now it would be {now.told()}. A run that goes on takes the same "
            f"steps: {_how_to_keep(plan, before, endless)}. Or begin anew with overwrite=true, or in another "
            "output_dir."
        )
    elif before.num_processes != now.num_processes:
        note(
            f"saved by {_counted(before.num_processes)}, gone on with by {now.num_processes}: optimizer steps stay as "
            "they are, each row comes once an epoch; what a rank draws at random, such as dropout, differs"
        )


def _how_to_keep(plan: StepPlan, before: GlobalBatch, endless: bool) -> str:
    """Returns what makes a plan's steps those of before: overrides that were tried, or the number of processes."""
    for overrides, other in _other_plans(plan, before):
        if GlobalBatch.of(other, endless=endless).has_steps_of(before):
            return f"say {overrides}"
    return f"start {_counted(before.num_processes)} with the settings of before"


def _other_plans(plan: StepPlan, before: GlobalBatch) -> Iterator[tuple[str, StepPlan]]:
    """Yields overrides that may keep the steps, and the plans they lead to; those that need no more memory first."""
    num_ranks, size = plan.num_ranks, plan.size
    for most, mine in ((before.most(before.rows), size.rows), (before.most(before.cost), size.cost)):
        if most is not None and mine is not None and most % (mine * num_ranks) == 0:
            count = most // (mine * num_ranks)
            yield f"train.gradient_accumulation_steps={count}", _plan(plan, size, count)
    for key, most, counts_rows in (
        ("per_device_train_batch_size", before.most(before.rows), True),
        ("max_tokens_per_batch", before.most(before.cost), False),
    ):
        for count in dict.fromkeys((plan.num_micro_batches, 1)):
            if most is None or most % (num_ranks * count):
                continue
            limit = most // (num_ranks * count)
            only = dataclasses.replace(size, rows=limit if counts_rows else None, cost=None if counts_rows else limit)
            accumulated = "" if count == plan.num_micro_batches else f" train.gradient_accumulation_steps={count}"
            yield f"train.{key}={limit}{accumulated}", _plan(plan, only, count)


def _plan(plan: StepPlan, size: StepSize, num_micro_batches: int) -> StepPlan:
    return StepPlan(plan.costs, size, seed=plan.seed, num_ranks=plan.num_ranks, num_micro_batches=num_micro_batches)


def _counted(num_processes: int) -> str:
    return f"{num_processes} process{'' if num_processes == 1 else 'es'}"
