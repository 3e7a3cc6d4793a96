"""Trains a built model by a plan, and hands over what came out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import EarlyStoppingCallback, TrainerCallback, set_seed

from ftkit.adapters.adapter import Adapter, Built, Encoded
from ftkit.config import RunConfig
from ftkit.console import note, warn
from ftkit.engine import checkpoints
from ftkit.engine.arguments import is_sharded, training_arguments
from ftkit.engine.batching import PART_COST, BatchLimits, StepSize, padding_share, parts, plan_epoch
from ftkit.engine.evaluation import evaluate, prediction_limits
from ftkit.engine.frozen_prefix import find_frozen_part
from ftkit.engine.kept_states import memory_limit
from ftkit.engine.memory import bound_kernel_cache, keep_freed_memory
from ftkit.engine.precision import check_precision, choose_precision, full_precision
from ftkit.engine.progress import ProgressCallback
from ftkit.engine.quiet import quiet_libraries
from ftkit.engine.trackers import IDS_FILE, TrackerCallback, Trackers, base_name, flat_config
from ftkit.engine.trainer import FtkitTrainer
from ftkit.engine.unpadded import leaves_padding_out, try_to_unpad, unpad
from ftkit.preflight import Plan, why_not_unpadded
from ftkit.startup import wake_collector
from ftkit.train_spec import DEFAULT_ROWS, DEFAULT_TOKENS, stated_trackers
from ftkit.tuners.counts import count_parameters

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
        ConfigError: transformers refuses a setting, the device does not have the precision that was asked for, or a
            limit in the environment is no number.
    """
    quiet_libraries()
    keep_freed_memory()
    bound_kernel_cache()
    has_validation = "validation" in plan.splits
    checkpoints_folder = plan.directory.checkpoints
    arguments = training_arguments(
        plan.config, checkpoints_folder, primary_metric=plan.primary_metric, has_validation=has_validation
    )
    check_precision(plan, arguments)
    memory_limit()  # a wrong one is told before anything is written
    set_seed(plan.config.seed)  # the new head is drawn from it
    return arguments


def build(plan: Plan, adapter: Adapter, arguments: TrainingArguments) -> Built:
    """Loads the checkpoint with the head that the task needs, and makes trainable what the tuner moves.

    Raises:
        CheckpointError: its weights cannot be read.
        ConfigError: the tuner, or leaving padding out, does not suit its architecture.
    """
    built = adapter.build()
    if plan.config.train.unpad == "auto":
        if unpadding_pays(plan, arguments):
            try_to_unpad(built.model)
    elif plan.config.train.unpad:
        unpad(built.model)
    return plan.tune(built)


def unpadding_pays(plan: Plan, arguments: TrainingArguments) -> bool:
    """Tells whether a run leaves padding out if its config does not say: on a CPU, where a text has one output.

    An output for every token of a vocabulary costs as much as some layers, and is computed with its padding.
    """
    config = plan.config
    return (
        arguments.device.type == "cpu"
        and why_not_unpadded(config) is None
        and config.tuner.quantization is None
        and not plan.adapter_class.writes_text
        and not is_sharded(arguments)
    )


def open_trackers(plan: Plan, *, is_main_process: bool) -> Trackers:
    """Opens the trackers that the config names; the run directory has been made. Other processes have none."""
    trackers = Trackers()
    config = plan.config.train
    names = stated_trackers(config) if is_main_process else ()
    if names:
        from ftkit.engine.tracker_backends import RunDescription

        trackio = {"space_id": config.trackio_space_id, "bucket_id": config.trackio_bucket_id}
        run = RunDescription(
            project=config.project or "ftkit",
            run_name=config.run_name or plan.directory.path.absolute().name,
            folder=plan.directory.path,
            config={
                **flat_config(plan.config.model_dump(mode="json", exclude_none=True)),
                **{f"data.{split}.fingerprint": digest for split, digest in plan.fingerprints.items()},
            },
            tags={
                "library": "ftkit",
                "task": plan.task.kind,
                "checkpoint": base_name(plan.spec.name),
                "tuner": plan.config.tuner.method,
            },
            trackio={key: value for key, value in trackio.items() if value},
        )
        ids_file = plan.directory.checkpoints / IDS_FILE
        trackers.start(names, run, ids_file=ids_file, resume=plan.config.resume)
    return trackers


def train(
    plan: Plan,
    arguments: TrainingArguments,
    adapter: Adapter,
    built: Built,
    encoded: Mapping[str, Encoded],
    trackers: Trackers | None = None,
) -> Trained:
    """Trains, from the start or from the newest whole checkpoint.

    Args:
        trackers: are told what is logged.

    Raises:
        RunError: the loss or a weight stopped being a number.
    """
    wake_collector()
    eval_limits = evaluation_limits(plan, arguments)

    def evaluate_model() -> dict[str, Any]:
        split, rows = plan.splits["validation"], encoded["validation"]
        with full_precision(built.model):
            return evaluate(built.model, adapter.for_validation(), split, rows, plan.scorer, eval_limits).metrics

    unpadded = leaves_padding_out(built.model)
    size = step_size(plan.config, arguments, unpadded=unpadded)
    precision = choose_precision(plan, arguments, adapter, built.model, encoded["train"], size)
    frozen = find_frozen_part(plan.config.tuner, arguments, built.model, encoded["train"], adapter.padding, size)
    progress = ProgressCallback(plan.primary_metric)
    trackers = trackers or Trackers()
    trainer = FtkitTrainer(
        model=built.model,
        args=arguments,
        adapter=adapter,
        train=encoded["train"],
        size=size,
        evaluate_model=evaluate_model if "validation" in encoded else None,
        save_total_limit=plan.config.train.save_total_limit,
        callbacks=[progress, *_callbacks(plan, built), TrackerCallback(trackers)],
        frozen=frozen,
    )
    with trainer.frozen, trackers.abandoned_on_failure():
        metrics = trainer.train(resume_from_checkpoint=_resume_point(plan)).metrics
    model = trainer.finished_model()
    return Trained(
        model=model,
        metrics={
            **metrics,
            **_facts(trainer, encoded["train"], model, metrics["train_runtime"], unpadded=unpadded),
            **precision.facts,
            **trainer.frozen.facts,
            "first_step_seconds": progress.first_step_seconds,
        },
        log_history=trainer.state.log_history,
        scorer=plan.scorer,
        eval_limits=eval_limits,
    )


def step_size(config: RunConfig, arguments: TrainingArguments, *, unpadded: bool = False) -> StepSize:
    """Returns what a rank computes in a batch: the rows, or else the tokens, that the config says, or the defaults."""
    rows, tokens = config.train.per_device_train_batch_size, config.train.max_tokens_per_batch
    # The ranks of a sharded model must make equally many forward passes: one each.
    sharded = is_sharded(arguments)
    return StepSize(
        rows=rows or (None if tokens else DEFAULT_ROWS),
        tokens=None if rows else tokens or DEFAULT_TOKENS,
        max_tokens_at_once=math.inf if sharded else config.train.max_tokens_at_once,
        # Padding that is left out costs nothing, and parts need not save it.
        part_cost=math.inf if sharded or unpadded or arguments.device.type != "cpu" else PART_COST,
    )


def evaluation_limits(plan: Plan, arguments: TrainingArguments) -> BatchLimits:
    """Returns the bounds of a batch in evaluation."""
    writes_text = plan.adapter_class.writes_text
    return prediction_limits(plan.config.train, device_type=arguments.device.type, writes_text=writes_text)


def _callbacks(plan: Plan, built: Built) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = []
    if plan.config.tuner.method == "adalora":
        from ftkit.tuners.rank_allocation import RankAllocation

        callbacks.append(RankAllocation(built.model))
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


def _facts(
    trainer: FtkitTrainer, train: Encoded, model: PreTrainedModel, seconds: float, *, unpadded: bool
) -> dict[str, Any]:
    counts = count_parameters(model)
    plan = {"seed": trainer.batch_sampler.seed, "multiple_of": trainer.args.world_size}
    batches = plan_epoch(train.lengths, trainer.size, epoch=0, **plan)
    split = [batch[part] for batch in batches for part in parts(train.lengths[batch], trainer.size)]
    return {
        "num_parameters": counts.total,
        "num_trainable_parameters": counts.trainable,
        "padding_share": 0.0 if unpadded else padding_share(train.lengths, split),
        # transformers multiplies steps by a batch size that is not the one of these batches.
        "train_samples_per_second": round(trainer.num_rows_trained() / seconds, 3),
        "num_steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step,
        "seed": trainer.args.seed,
        "num_processes": trainer.args.world_size,
    }
