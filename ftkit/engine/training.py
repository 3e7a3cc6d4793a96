"""Trains a built model by a plan, and hands over what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import EarlyStoppingCallback, TrainerCallback, set_seed

from ftkit.adapters.adapter import Adapter, Built, Encoded
from ftkit.config import RunConfig
from ftkit.console import note, warn
from ftkit.engine import checkpoints
from ftkit.engine.arguments import training_arguments
from ftkit.engine.batching import BatchLimits, padding_share, plan_epoch
from ftkit.engine.evaluation import evaluate
from ftkit.engine.progress import ProgressCallback
from ftkit.engine.quiet import quiet_libraries
from ftkit.engine.trainer import FtkitTrainer
from ftkit.preflight import Plan

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainingArguments

    from ftkit.metrics.scorer import Scorer


@dataclass(frozen=True)
class Trained:
    """A trained model and the numbers of its training.

    Attributes:
        model: float32, the best checkpoint where there was validation, on this process's device.
        metrics: `train_loss`, `train_runtime` (seconds), `train_samples_per_second` and the like.
        log_history: what transformers logged, entry by entry.
        scorer: computes the metrics of the run.
        eval_limits: bounds of a batch in evaluation.
    """

    model: PreTrainedModel
    metrics: Mapping[str, Any]
    log_history: Sequence[Mapping[str, float]]
    scorer: Scorer
    eval_limits: BatchLimits


def start_engine(plan: Plan) -> TrainingArguments:
    """Makes the training arguments, which finds the device and joins the other processes, and seeds everything.

    Raises:
        ConfigError: transformers refuses a setting.
    """
    quiet_libraries()
    has_validation = "validation" in plan.splits
    checkpoints_folder = plan.directory.checkpoints
    arguments = training_arguments(
        plan.config, checkpoints_folder, primary_metric=plan.primary_metric, has_validation=has_validation
    )
    set_seed(plan.config.seed)  # the new head is drawn from it
    return arguments


def train(
    plan: Plan, arguments: TrainingArguments, adapter: Adapter, built: Built, encoded: Mapping[str, Encoded]
) -> Trained:
    """Trains, from the start or from the newest whole checkpoint.

    Raises:
        RunError: the loss or a weight stopped being a number.
    """
    scorer = plan.kind.make_scorer(plan.metrics, plan.labels, plan.config.data)
    limits, eval_limits = batch_limits(plan.config)

    def evaluate_model() -> dict[str, Any]:
        split, rows = plan.splits["validation"], encoded["validation"]
        return evaluate(built.model, adapter.for_validation(), split, rows, scorer, eval_limits).metrics

    progress = ProgressCallback(plan.primary_metric)
    trainer = FtkitTrainer(
        model=built.model,
        args=arguments,
        adapter=adapter,
        train=encoded["train"],
        limits=limits,
        evaluate_model=evaluate_model if "validation" in encoded else None,
        save_total_limit=plan.config.train.save_total_limit,
        callbacks=[progress, *_callbacks(plan)],
    )
    metrics = trainer.train(resume_from_checkpoint=_resume_point(plan)).metrics
    model = trainer.finished_model()
    return Trained(
        model=model,
        metrics={
            **metrics,
            **_facts(trainer, encoded["train"], model),
            "first_step_seconds": progress.first_step_seconds,
        },
        log_history=trainer.state.log_history,
        scorer=scorer,
        eval_limits=eval_limits,
    )


def batch_limits(config: RunConfig) -> tuple[BatchLimits, BatchLimits]:
    """Returns the bounds of a batch in training, and in evaluation."""
    rows = config.train.per_device_train_batch_size, config.train.per_device_eval_batch_size
    train, evaluation = (BatchLimits(max_rows, config.train.max_tokens_per_batch) for max_rows in rows)
    return train, evaluation


def _callbacks(plan: Plan) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = []
    patience = plan.config.train.early_stopping_patience
    if patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=patience))
    return callbacks


def _resume_point(plan: Plan) -> str | None:
    if not plan.config.resume:
        return None
    folder, warnings = checkpoints.newest_sound(plan.directory.checkpoints)
    for warning in warnings:
        warn(warning)
    note(f"resuming from {folder}")
    return str(folder)


def _facts(trainer: FtkitTrainer, train: Encoded, model: PreTrainedModel) -> dict[str, Any]:
    batches = plan_epoch(train.lengths, trainer.limits, seed=trainer.batch_sampler.seed, epoch=0)
    return {
        "num_parameters": model.num_parameters(),
        "num_trainable_parameters": model.num_parameters(only_trainable=True),
        "padding_share": padding_share(train.lengths, batches),
        "num_steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "seed": trainer.args.seed,
        "num_processes": trainer.args.world_size,
    }
