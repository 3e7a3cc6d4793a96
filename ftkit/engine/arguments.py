"""TrainSpec -> TrainingArguments: what the user set, ftkit's defaults, and nothing that surprises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType, parse_flag_from_env

from ftkit.config.train import TrainSpec, stated_precision, training_arguments_kwargs
from ftkit.engine.unused_weights import can_be_looked_for
from ftkit.errors import ConfigError
from ftkit.metrics.checks import greater_is_better

if TYPE_CHECKING:
    from transformers import TrainingArguments


TIMES_SAVED = 10  # in a run on a stream: as often as in ten epochs

_COMPILE = {"ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": "true", "ACCELERATE_DYNAMO_USE_DYNAMIC": "true"}


def training_arguments(
    train: TrainSpec,
    checkpoints: Path,
    *,
    learning_rate: float | None,
    primary_metric: str,
    has_validation: bool,
    streams: bool = False,
) -> TrainingArguments:
    """Builds the Trainer's arguments.

    With validation data the run is evaluated and saved every epoch, and ends with the best checkpoint by the
    primary metric; without, the last weights are kept.

    Args:
        checkpoints: where the Trainer saves.
        learning_rate: the tuner's own, where the user sets none; None for TrainingArguments' default.
        streams: whether the run trains on a stream: it is evaluated and saved every so many steps.

    Raises:
        ConfigError: transformers refuses a value, or values that exclude one another.
    """
    from transformers import TrainingArguments

    kwargs = training_arguments_kwargs(train)
    period = _period_of_stream(kwargs, has_validation) if streams else {}
    defaults = {**_defaults({**period, **kwargs}, learning_rate, primary_metric, has_validation), **period}
    kwargs = {**defaults, **kwargs, **_fixed(train, checkpoints)}
    _check(kwargs, train.early_stopping_patience, has_validation)
    if str(kwargs.get("metric_for_best_model")).removeprefix("eval_") == "loss":
        kwargs.setdefault("greater_is_better", False)
    try:
        return TrainingArguments(**kwargs)
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise ConfigError(f"train: transformers refuses these arguments: {str(error).strip()}") from None


def tell_accelerate(arguments: TrainingArguments) -> None:
    """Says how layers are compiled, where they are: Accelerate takes it from the environment alone.

    One layer is compiled for all of its stack, and for all shapes at once: batches differ in rows and tokens, and each
    new shape would be compiled again.
    """
    if arguments.torch_compile:
        os.environ.update(_COMPILE)


def _period_of_stream(kwargs: dict[str, Any], has_validation: bool) -> dict[str, Any]:
    """Returns how often a run on a stream is evaluated and saved, unless it says so: ten times."""
    steps = kwargs.get("eval_steps") or kwargs.get("save_steps") or max(kwargs["max_steps"] // TIMES_SAVED, 1)
    period = {"save_strategy": "steps", "save_steps": steps}
    return {**period, "eval_strategy": "steps", "eval_steps": steps} if has_validation else period


def _defaults(
    kwargs: dict[str, Any], learning_rate: float | None, primary_metric: str, has_validation: bool
) -> dict[str, Any]:
    strategy = kwargs.get("eval_strategy", "epoch" if has_validation else "no")
    save_strategy = strategy if strategy != "no" else "epoch"
    defaults: dict[str, Any] = {"eval_strategy": strategy, "save_strategy": save_strategy}
    # transformers does not look where activations are computed again, nor tell: the second step would fail.
    defaults["ddp_find_unused_parameters"] = can_be_looked_for(kwargs.get("activation_checkpointing_kwargs"))
    if computes_on_cpu(None):
        # Without this word, processes that were launched together on CPUs would not find one another.
        defaults["use_cpu"] = True
    if learning_rate is not None:
        defaults["learning_rate"] = learning_rate
    if strategy == "steps" and kwargs.get("save_strategy", save_strategy) == "steps":
        defaults["save_steps"] = kwargs.get("eval_steps", kwargs["logging_steps"])
    if strategy != "no" and kwargs.get("save_strategy", save_strategy) in (strategy, "best"):
        metric = kwargs.get("metric_for_best_model", primary_metric)
        defaults["load_best_model_at_end"] = True
        defaults["metric_for_best_model"] = metric
        defaults["greater_is_better"] = greater_is_better(metric.removeprefix("eval_"))
    return defaults


def computes_on_cpu(use_cpu: bool | None) -> bool:
    """Tells whether a run computes on a CPU.

    Args:
        use_cpu: what its config says of it.
    """
    if use_cpu is None and not torch.accelerator.is_available():
        return True
    return bool(use_cpu) or parse_flag_from_env("ACCELERATE_USE_CPU")


def is_sharded(arguments: TrainingArguments) -> bool:
    """Tells whether FSDP or DeepSpeed shares out the model itself among the processes."""
    return bool(arguments.deepspeed_plugin) or (asks_for_fsdp(arguments) and not computes_on_cpus())


def asks_for_fsdp(arguments: TrainingArguments) -> bool:
    """Tells whether the config, or the launcher, asks for FSDP."""
    return bool(arguments.fsdp) or parse_flag_from_env("ACCELERATE_USE_FSDP")


def computes_on_cpus() -> bool:
    """Tells whether several processes compute on CPUs: Accelerate does not share out a model among those."""
    return PartialState().distributed_type == DistributedType.MULTI_CPU


def num_epochs(arguments: TrainingArguments, num_steps: int) -> float:
    """Returns how often a run goes through its rows.

    Args:
        num_steps: of the optimizer in an epoch.
    """
    if arguments.max_steps <= 0:
        return arguments.num_train_epochs
    return arguments.max_steps / num_steps


def num_micro_batches(arguments: TrainingArguments) -> int:
    """Returns how many micro-batches all ranks compute in an optimizer step."""
    return arguments.world_size * arguments.gradient_accumulation_steps


def _fixed(train: TrainSpec, checkpoints: Path) -> dict[str, Any]:
    """What ftkit does itself, and better: its own progress, trackers, rotation and NaN guard."""
    precision = stated_precision(train)
    return {
        **({precision: True} if precision in ("bf16", "fp16") else {}),
        "output_dir": str(checkpoints),
        "seed": train.chosen_seed,
        "disable_tqdm": True,
        "report_to": "none",  # see ftkit.engine.trackers
        "log_level_replica": "error",  # ftkit's own notes are those of the main process
        "logging_nan_inf_filter": False,
        "save_total_limit": None,
        "remove_unused_columns": False,
        "label_smoothing_factor": 0.0,
    }


def _check(kwargs: dict[str, Any], patience: int | None, has_validation: bool) -> None:
    """Refuses settings of evaluation and saving that contradict one another.

    Raises:
        ConfigError: naming the key and what it needs.
    """
    evaluates, saves = kwargs["eval_strategy"], kwargs["save_strategy"]
    if evaluates != "no" and not has_validation:
        raise ConfigError("train.eval_strategy: there is nothing to evaluate on. Give data.validation, or say no.")
    _check_workers(kwargs)
    _check_look(kwargs)
    keeps_best = bool(kwargs.get("load_best_model_at_end"))
    needs_best = {
        "load_best_model_at_end: true": keeps_best and (evaluates == "no" or saves not in (evaluates, "best")),
        f"early_stopping_patience: {patience}": patience is not None and not keeps_best,
        "save_strategy: best": saves == "best" and not keeps_best,
    }
    for setting, lacks in needs_best.items():
        if lacks:
            raise ConfigError(f"train.{setting} {_what_best_needs(kwargs, has_validation)}")
    if keeps_best and (evaluates, saves) == ("steps", "steps"):
        _check_multiple(kwargs["save_steps"], kwargs.get("eval_steps", kwargs["logging_steps"]))


def _what_best_needs(kwargs: dict[str, Any], has_validation: bool) -> str:
    """Returns how a sentence ends about a setting that needs the best checkpoint, where there is none."""
    needs = "needs the best checkpoint, which is found by validation:"
    if not has_validation:
        return f"{needs} give data.validation, such as 0.1, or leave it out."
    if kwargs["eval_strategy"] == "no":
        return f"{needs} leave train.eval_strategy out, or say epoch or steps."
    if kwargs["save_strategy"] not in (kwargs["eval_strategy"], "best"):
        return (
            f"needs a checkpoint at each evaluation: train.eval_strategy is {kwargs['eval_strategy']} and "
            f"train.save_strategy {kwargs['save_strategy']}. Say the same in both, or leave train.save_strategy out."
        )
    return "needs train.load_best_model_at_end, which is false. Leave that out."


def _check_workers(kwargs: dict[str, Any]) -> None:
    """Refuses settings of the processes that make batches, where there are none."""
    for key in ("dataloader_prefetch_factor", "dataloader_persistent_workers", "dataloader_multiprocessing_context"):
        if kwargs.get(key) and not kwargs.get("dataloader_num_workers"):
            raise ConfigError(
                f"train.{key}: it is for processes that make batches, and there are none. Say "
                f"train.dataloader_num_workers: 1 or more, or leave train.{key} out."
            )


def _check_look(kwargs: dict[str, Any]) -> None:
    """Refuses to look for weights without a gradient where DDP would meet the same weight twice."""
    checkpointing = kwargs.get("activation_checkpointing_kwargs")
    if kwargs["ddp_find_unused_parameters"] and not can_be_looked_for(checkpointing):
        raise ConfigError(
            "train.ddp_find_unused_parameters: true does not go with activation_checkpointing_kwargs: "
            f"{checkpointing}: the processes would meet a weight twice. Leave use_reentrant out."
        )


def _check_multiple(save_steps: float, eval_steps: float) -> None:
    """Refuses checkpoints between evaluations: the best weights could not be kept."""
    shares = save_steps < 1, eval_steps < 1
    ratio = save_steps / eval_steps
    if shares[0] == shares[1] and ratio >= 1 and abs(ratio - round(ratio)) < 1e-6:
        return
    better = eval_steps if shares[0] != shares[1] else eval_steps * max(round(ratio), 1)
    raise ConfigError(
        f"train.save_steps: {save_steps:g} is no multiple of train.eval_steps: {eval_steps:g}, and the best "
        f"checkpoint is one of those that are evaluated. Say train.save_steps: {better:g}, or leave it out."
    )
