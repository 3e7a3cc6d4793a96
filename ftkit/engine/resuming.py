"""What makes a resumed run the run that it was: its end, its losses and its best checkpoint are read off a checkpoint.

Each part is a callback of the Trainer's loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import IntervalStrategy, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ftkit.engine.checkpoints import PREFIX


def evaluations_without_improvement(
    log_history: Sequence[Mapping[str, Any]], metric: str, *, greater_is_better: bool
) -> int:
    """Returns how many evaluations in a row, up to the last, brought no better score than the best before them.

    Args:
        log_history: what the Trainer logged, entry by entry.
        metric: its key in the log, such as `eval_accuracy`; an evaluation that lacks it counts as the worst.

    Example: accuracies 0.5, 0.7, 0.7, 0.6 are 2 evaluations without improvement.
    """
    best, count = -math.inf, 0
    for entry in log_history:
        if not any(name.startswith("eval_") for name in entry):
            continue
        score = entry.get(metric, math.nan) * (1 if greater_is_better else -1)
        count = 0 if score > best or best == -math.inf else count + 1
        best = max(best, score) if not math.isnan(score) else best
    return count


def validation_loss(log_history: Sequence[Mapping[str, Any]], step: int | None) -> float:
    """Returns the validation loss of the evaluation after a step; infinity where it is none, or no number."""
    losses = [entry["eval_loss"] for entry in log_history if entry.get("step") == step and "eval_loss" in entry]
    return losses[-1] if losses and not math.isnan(losses[-1]) else math.inf


def ends_epoch(state: TrainerState) -> bool:
    """Tells whether the last step that was taken is the last of its epoch."""
    return state.epoch is not None and float(state.epoch).is_integer()


def is_best_of_equals(state: TrainerState, score: float | None) -> bool:
    """Tells whether of equal scores that of this step is the best: by validation loss, then the later one.

    Small validation splits give equal scores often, and transformers keeps the first of them: the weights of an early
    epoch, which rank alike and are far less sure. The losses are read off the log, which is part of every checkpoint,
    so that a resumed run chooses alike.

    Args:
        score: of this step, in the metric that picks the best.
    """
    if state.best_global_step is None or score is None or score != state.best_metric:
        return False
    losses = (validation_loss(state.log_history, step) for step in (state.global_step, state.best_global_step))
    return next(losses) <= next(losses)


class Ending(TrainerCallback):
    """Ends training after its last step, or early; a run that had ended when it was interrupted trains no further.

    transformers counts evaluations in a callback that is made anew when a run is resumed, and takes one more step
    before it asks whether to stop. Here the log is counted, and the log is part of every checkpoint.

    Args:
        patience: evaluations in a row without a better score after which training ends; None: it goes on.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Finds out whether anything is left to train."""
        self.first_step = state.global_step
        is_over = state.global_step >= state.max_steps or self._is_patience_over(args, state)
        control.should_training_stop = control.should_training_stop or is_over

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ends training where the scores have stopped growing."""
        control.should_training_stop = control.should_training_stop or self._is_patience_over(args, state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keeps an epoch of which no step was left from being evaluated and saved once more."""
        if state.global_step == self.first_step:
            control.should_log = control.should_evaluate = control.should_save = False

    def _is_patience_over(self, args: TrainingArguments, state: TrainerState) -> bool:
        if self.patience is None or args.metric_for_best_model is None:
            return False
        count = evaluations_without_improvement(
            state.log_history,
            f"eval_{args.metric_for_best_model.removeprefix('eval_')}",
            greater_is_better=bool(args.greater_is_better),
        )
        return count >= self.patience


class SaveAfterEvaluation(TrainerCallback):
    """Saves a checkpoint that is due at the last step of an epoch when the epoch has been evaluated and logged.

    Otherwise a run that is resumed from it begins with the next epoch, and the evaluation never takes place.
    """

    def __init__(self) -> None:
        self.is_due = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Puts off the save."""
        waits_for = IntervalStrategy.EPOCH in (args.eval_strategy, args.logging_strategy)
        self.is_due = control.should_save and ends_epoch(state) and waits_for
        control.should_save = control.should_save and not self.is_due

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Makes up for it."""
        control.should_save = control.should_save or self.is_due
        self.is_due = False


class BestCheckpoint(TrainerCallback):
    """Looks for the best checkpoint beside the others: a run directory may have been moved since it was saved."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Finds it by its step."""
        if state.best_global_step:
            folder = Path(str(args.output_dir)) / f"{PREFIX}{state.best_global_step}"
            state.best_model_checkpoint = str(folder) if folder.is_dir() else None


class AtTrainBegin(TrainerCallback):
    """Calls a function when the loop has set up its state, and before its first step."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Calls it."""
        self.function()
