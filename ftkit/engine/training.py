"""Trains a model on encoded rows, and hands over what came out."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, set_seed

from ftkit.adapters.objective import Compared
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import DEFAULT_ROWS, DEFAULT_TOKENS, TrainSpec
from ftkit.console import note, warn
from ftkit.engine import checkpoints
from ftkit.engine.arguments import asks_for_fsdp, computes_on_cpus, is_sharded, tell_accelerate, training_arguments
from ftkit.engine.batching import PART_COST, StepSize
from ftkit.engine.guards import check_weights_are_finite
from ftkit.engine.precision import check_precision
from ftkit.engine.progress import ProgressCallback
from ftkit.engine.quiet import quiet_libraries
from ftkit.engine.rehearsal import rehearse
from ftkit.engine.resuming import AtTrainBegin
from ftkit.engine.totals import Totals
from ftkit.engine.trainer import FtkitTrainer
from ftkit.engine.trainer_options import TrainerOptions
from ftkit.engine.training_data import TrainingData
from ftkit.engine.unused_weights import unused_weights_told
from ftkit.models.attention_kernels import attention_of_any_shape

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainingArguments


@dataclass(frozen=True)
class Trained:
    """A trained model and the numbers of its training.

    Attributes:
        model: float32, the best checkpoint where there was validation, on this process's device.
        metrics: `train_loss`, `train_runtime` (seconds), `train_samples_per_second` and the like.
        log_history: what transformers logged, entry by entry.
    """

    model: PreTrainedModel
    metrics: Mapping[str, Any]
    log_history: Sequence[Mapping[str, float]]


def start_engine(
    train: TrainSpec,
    checkpoints_folder: Path,
    *,
    learning_rate: float | None,
    primary_metric: str,
    has_validation: bool,
    streams: bool = False,
) -> TrainingArguments:
    """Makes the training arguments, which finds the device and joins the other processes, and seeds everything.

    Args:
        learning_rate: the tuner's own, where the user sets none; None for TrainingArguments' default.
        streams: whether the run trains on a stream, which has no epochs to evaluate and save after.

    Raises:
        ConfigError: transformers refuses a setting, or the device does not have the precision that was asked for.
    """
    quiet_libraries()
    arguments = training_arguments(
        train,
        checkpoints_folder,
        learning_rate=learning_rate,
        primary_metric=primary_metric,
        has_validation=has_validation,
        streams=streams,
    )
    check_precision(train, arguments)
    if asks_for_fsdp(arguments) and computes_on_cpus():
        warn("train.fsdp: processes on CPUs do not share out the model; each holds all of it")
    tell_accelerate(arguments)
    rehearse(arguments)
    set_seed(train.chosen_seed)  # the new head is drawn from it
    return arguments


def step_size(
    train: TrainSpec,
    arguments: TrainingArguments,
    *,
    padding_is_free: bool = False,
    compares: Compared | None = None,
) -> StepSize:
    """Returns the size of a micro-batch: the rows, or else the positions, that the config says, or the defaults.

    Args:
        padding_is_free: padding is left out of the model, so that batches need no parts to save it.
        compares: among which rows the loss compares.
    """
    rows, tokens = train.per_device_train_batch_size, train.max_tokens_per_batch
    # The ranks of a sharded model must make equally many forward passes: one each.
    sharded, device_type = is_sharded(arguments), arguments.device.type
    if compares is not None:
        # What is compared would depend on the length of texts if positions were counted as well.
        by_rows = rows or (None if tokens else DEFAULT_ROWS)
        is_whole = compares == "micro-batch"
        return StepSize(by_rows, None if by_rows else tokens, math.inf, math.inf, is_whole=is_whole)
    # Who counts a GPU's examples has its memory in mind, as with the plain Trainer: no parts.
    whole = sharded or (rows is not None and tokens is None and device_type != "cpu")
    return StepSize(
        rows=rows or (None if tokens else DEFAULT_ROWS),
        cost=None if rows else tokens or DEFAULT_TOKENS,
        max_cost_at_once=math.inf if whole else train.max_cost_at_once(device_type),
        part_cost=math.inf if sharded or padding_is_free or device_type != "cpu" else PART_COST,
    )


def train(
    model: PreTrainedModel,
    adapter: TaskAdapter,
    data: TrainingData,
    arguments: TrainingArguments,
    options: TrainerOptions,
    *,
    primary_metric: str,
    callbacks: Sequence[TrainerCallback] = (),
    resume_from: Path | None = None,
) -> Trained:
    """Trains from the start, or from a checkpoint.

    Args:
        data: what to train on; it is closed in the end.
        options: how the model is watched, scored and saved.
        primary_metric: shown after each evaluation.
        resume_from: a whole checkpoint.

    Raises:
        RunError: the loss or a weight stopped being a number, or the best checkpoint was damaged; or ranks were told
            not to look for weights without a gradient, and there are some.
        OutOfMemory: memory is too small for one row.
        Interrupted: the run was asked to end, and has been saved.
    """
    progress = ProgressCallback(primary_metric, has_epochs=data.has_epochs)
    trainer = FtkitTrainer(
        model=model, args=arguments, adapter=adapter, train=data, options=options, callbacks=[progress, *callbacks]
    )
    if resume_from is not None:
        totals = Totals.load(resume_from)
        trainer.add_callback(AtTrainBegin(lambda: trainer.restore_totals(totals, resume_from)))
    with (
        options.interruption.noted(),
        unused_weights_told(model, arguments),
        attention_of_any_shape(),
        contextlib.closing(data),
    ):
        metrics = trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from)).metrics
    check_weights_are_finite(model, trainer.state.global_step)
    return Trained(
        model=trainer.finished_model(),
        metrics={**metrics, **_numbers(trainer, metrics), "first_step_seconds": progress.first_step_seconds},
        log_history=trainer.state.log_history,
    )


def _numbers(trainer: FtkitTrainer, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is told of a training beside what transformers tells; all ranks call this together."""
    state, arguments = trainer.state, trainer.args
    return {
        **trainer.data.facts(state.global_step),
        # transformers multiplies steps by a batch size that is not the one of these batches.
        "train_samples_per_second": round(trainer.num_rows_trained() / metrics["train_runtime"], 3),
        "num_steps": state.global_step,
        "best_step": state.best_global_step,
        "num_skipped_steps": trainer.guard.num_skipped,
        "max_positions_at_once": trainer.steps.limit,
        "seed": arguments.seed,
        "num_processes": arguments.world_size,
    }


def resume_point(folder: Path) -> Path | None:
    """Returns the newest whole checkpoint, and tells of newer ones that were passed over; None if none is whole."""
    found, warnings = checkpoints.newest_sound(folder)
    for warning in warnings:
        warn(warning)
    note(
        f"going on from {found}" if found else f"no checkpoint in {folder} is whole: the run begins at its first step"
    )
    return found
