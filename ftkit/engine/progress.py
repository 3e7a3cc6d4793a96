"""What a person sees while a model trains: a bar on a terminal, a few lines in a log file."""

from __future__ import annotations

import time
from typing import Any

import psutil
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ftkit.console import console, note

SECONDS_BETWEEN_LINES = 30.0  # without a terminal: often enough to see life, rarely enough to read


class ProgressCallback(TrainerCallback):
    """Shows steps, loss and validation scores.

    Args:
        primary_metric: shown after each evaluation, such as `accuracy`.
        has_epochs: whether a run knows in which epoch it is.

    Attributes:
        first_step_seconds: from the start of the process to the end of the first optimizer step.
    """

    def __init__(self, primary_metric: str, *, has_epochs: bool = True) -> None:
        self.primary_metric, self.has_epochs = primary_metric, has_epochs
        self.progress: Progress | None = None
        self.last_line = 0.0
        self.started = 0.0
        self.first_step_seconds: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Opens the bar."""
        self.started = self.last_line = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=console(), transient=True, disable=not console().is_terminal)
        self.progress.start()
        self.task = self.progress.add_task("training", total=state.max_steps, completed=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Moves the bar."""
        if self.first_step_seconds is None:
            self.first_step_seconds = time.time() - psutil.Process().create_time()
        if self.progress is not None:
            self.progress.update(self.task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Shows the loss: in the bar, or as a line from time to time."""
        if self.progress is None or not logs or "loss" not in logs:
            return
        self.progress.update(self.task, description=f"training, loss {logs['loss']:.4f}")
        now = time.monotonic()
        if not console().is_terminal and now - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            note(f"step {state.global_step}/{state.max_steps}, loss {logs['loss']:.4f}")

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Says how good the model is now."""
        metrics = metrics or {}
        score = metrics.get(f"eval_{self.primary_metric}")
        shown = f", {self.primary_metric} {score:.4f}" if isinstance(score, float) else ""
        seconds = time.monotonic() - self.started
        when = f"epoch {state.epoch:.2f}" if self.has_epochs else f"step {state.global_step:,}"
        note(f"{when}, {seconds:.0f} s: validation loss {metrics['eval_loss']:.4f}{shown}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Closes the bar."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None
