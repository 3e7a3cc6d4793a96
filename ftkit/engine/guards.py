"""Guards against silent damage: no step is taken on a loss or a gradient that is not a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import Module
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ftkit.console import warn
from ftkit.errors import RunError

REMEDY = (
    "Likely fixes: a lower train.learning_rate, train.warmup_steps, train.max_grad_norm: 1.0, bf16 instead of "
    "fp16, or a look at the data rows of these steps."
)
MOST_NAMED = 8  # rows in a message

NameRows = Callable[[Sequence[int]], Sequence[str]]
"""Indices of training rows -> where each stands, such as `train.csv, line 3`."""


def row_numbers(rows: Sequence[int]) -> list[str]:
    """Returns what rows are called where nobody knows where they stand."""
    return [f"row {row}" for row in rows]


MOST_PENDING = 100  # steps that are remembered until somebody looks


@dataclass
class _Step:
    """What is remembered of a step, on the device.

    Attributes:
        number: 1 is the first.
        losses: row indices and losses, (B,) each, of every part that was computed for the step.
        gradient_norm: of the whole step.
    """

    number: int
    losses: list[tuple[np.ndarray | None, torch.Tensor]] = field(default_factory=list)
    gradient_norm: Any = 0.0

    def numbers(self) -> list[torch.Tensor]:
        """Returns what has to be finite, each a number on the device."""
        sums = [losses_B.sum() for _, losses_B in self.losses]
        return [*sums, torch.as_tensor(self.gradient_norm).to(sums[0])] if sums else []

    def damaged_rows(self) -> list[int]:
        """Returns the rows whose own loss is not finite."""
        return [
            row
            for row_indices, losses_B in self.losses
            if row_indices is not None
            for row in row_indices[~torch.isfinite(losses_B).cpu().numpy()].tolist()
        ]

    def all_rows(self) -> list[int]:
        return [row for row_indices, _ in self.losses if row_indices is not None for row in row_indices.tolist()]


def _is_any_damaged(steps: Sequence[_Step]) -> bool:
    """Tells whether a number of some step is not finite; the device is waited for once."""
    numbers = [number for step in steps for number in step.numbers()]
    return bool(numbers) and not bool(torch.isfinite(torch.stack(numbers)).all())


class FiniteGuard(TrainerCallback):
    """Looks at losses and gradients of steps; a damaged step is left out, or ends the run.

    Args:
        max_skipped_steps: steps that are left out before the run ends; 0 ends it at the first.
        looks_before_steps: look before each step is taken. Otherwise the device is not stalled: the guard looks when
            losses are logged and before weights are saved, and can leave nothing out.
        name_rows: says where rows stand.
        agree: whether something is true on any rank, from whether it is on this one; all ranks call it together.

    Attributes:
        num_skipped: steps left out so far.
        gradients_are_scaled: whether a GradScaler looks after gradients that overflow.
    """

    def __init__(
        self,
        *,
        max_skipped_steps: int = 0,
        looks_before_steps: bool = True,
        name_rows: NameRows = row_numbers,
        agree: Callable[[bool], bool] = bool,
    ) -> None:
        self.max_skipped_steps, self.looks_before_steps = max_skipped_steps, looks_before_steps
        self.name_rows, self.agree = name_rows, agree
        self.num_skipped = 0
        self.gradients_are_scaled = False
        self._pending: list[_Step] = []
        self._current: list[tuple[np.ndarray | None, torch.Tensor]] = []
        self._gradient_norm: Any = 0.0

    def watch_losses(self, losses_B: torch.Tensor, row_indices: np.ndarray | None) -> None:
        """Remembers the losses of rows, on the device.

        Args:
            losses_B: of each row, (B,).
            row_indices: which training rows these are, (B,).
        """
        self._current.append((row_indices, losses_B.detach()))

    def forget_losses(self) -> None:
        """Forgets the losses of the step that is about to be computed again."""
        self._current = []

    def watch_gradient(self, norm: Any) -> None:
        """Remembers the norm of the gradient of the step that is about to be taken."""
        self._gradient_norm = norm

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Takes the gradients of a damaged step away where it may be left out: the optimizer has nothing to apply.

        Raises:
            RunError: more steps are damaged than may be left out.
        """
        norm = 0.0 if self.gradients_are_scaled else self._gradient_norm
        self._pending.append(_Step(state.global_step + 1, self._current, norm))
        self._current = []
        if (self.looks_before_steps or len(self._pending) >= MOST_PENDING) and self.check():
            kwargs["model"].zero_grad(set_to_none=True)

    def check(self) -> bool:
        """Looks at the steps since the last look; returns whether the newest may not be applied.

        Raises:
            RunError: one of them is damaged, and no more may be left out.
        """
        pending, self._pending = self._pending, []
        if not self.agree(_is_any_damaged(pending)):
            return False
        for step in pending:
            if not self.agree(_is_any_damaged([step])):
                continue
            if self.num_skipped >= self.max_skipped_steps:
                raise RunError(
                    f"{self._message(step)} Training was stopped; checkpoints saved before are sound. {REMEDY}"
                )
            self.num_skipped += 1
            warn(f"{self._message(step)} It is left out ({self.num_skipped} of {self.max_skipped_steps}).")
            return True
        return False

    def _message(self, step: _Step) -> str:
        damaged = step.damaged_rows()
        if damaged:
            return f"The loss of step {step.number} became NaN or infinite, in {self._named(damaged)}."
        rows = step.all_rows()
        return (
            f"The gradient of step {step.number} became NaN or infinite while the losses of its rows are finite "
            f"({self._named(rows)})."
        )

    def _named(self, rows: Sequence[int]) -> str:
        if not rows:
            return "rows of another process"
        names = list(dict.fromkeys(self.name_rows(rows[:MOST_NAMED])))
        more = f" and {len(rows) - MOST_NAMED} more rows" if len(rows) > MOST_NAMED else ""
        return "; ".join(names) + more


def check_weights_are_finite(model: Module, step: int) -> None:
    """Raises RunError if a trained parameter is not finite, before it would be saved."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise RunError(f"The parameter {name} holds NaN or infinite values at step {step}; not saved. {REMEDY}")
