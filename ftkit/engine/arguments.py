"""TrainSpec -> TrainingArguments: what the user set, ftkit's defaults, and nothing that surprises."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import parse_flag_from_env

from ftkit.config.train import TrainSpec, stated_precision, training_arguments_kwargs
from ftkit.errors import ConfigError
from ftkit.metrics.checks import greater_is_better

if TYPE_CHECKING:
    from transformers import TrainingArguments


# Accelerate takes it from the environment alone. One layer is compiled for all of its stack, and for all shapes at
# once: batches differ in rows and tokens, and each new shape would be compiled again.
_COMPILE = {"ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": "true", "ACCELERATE_DYNAMO_USE_DYNAMIC": "true"}


def training_arguments(
    train: TrainSpec,
    checkpoints: Path,
    *,
    learning_rate: float | None,
    primary_metric: str,
    has_validation: bool,
) -> TrainingArguments:
    """Builds the Trainer's arguments.

    With validation data the run is evaluated and saved every epoch, and ends with the best checkpoint by the
    primary metric; without, the last weights are kept.

    Args:
        checkpoints: where the Trainer saves.
        learning_rate: the tuner's own, where the user sets none; None for TrainingArguments' default.

    Raises:
        ConfigError: transformers refuses a value, or values that exclude one another.
    """
    from transformers import TrainingArguments

    kwargs = training_arguments_kwargs(train)
    defaults = _defaults(kwargs, learning_rate, primary_metric, has_validation)
    kwargs = {**defaults, **kwargs, **_fixed(train, checkpoints)}
    _check(kwargs, train.early_stopping_patience, has_validation)
    if str(kwargs.get("metric_for_best_model")).removeprefix("eval_") == "loss":
        kwargs.setdefault("greater_is_better", False)
    try:
        arguments = TrainingArguments(**kwargs)
    except (ValueError, TypeError, ImportError, OSError) as error:
        raise ConfigError(f"train: transformers refuses these arguments: {error}") from None
    if arguments.torch_compile:
        os.environ.update(_COMPILE)
    return arguments


def _defaults(
    kwargs: dict[str, Any], learning_rate: float | None, primary_metric: str, has_validation: bool
) -> dict[str, Any]:
    strategy = kwargs.get("eval_strategy", "epoch" if has_validation else "no")
    save_strategy = strategy if strategy != "no" else "epoch"
    defaults: dict[str, Any] = {"eval_strategy": strategy, "save_strategy": save_strategy}
    if not torch.accelerator.is_available():
        # Without this word, processes that were launched together on CPUs would not find one another.
        defaults["use_cpu"] = True
    if learning_rate is not None:
        defaults["learning_rate"] = learning_rate
    if strategy == "steps" and "eval_steps" in kwargs:
        defaults["save_steps"] = kwargs["eval_steps"]
    if strategy != "no" and kwargs.get("save_strategy", save_strategy) in (strategy, "best"):
        metric = kwargs.get("metric_for_best_model", primary_metric)
        defaults["load_best_model_at_end"] = True
        defaults["metric_for_best_model"] = metric
        defaults["greater_is_better"] = greater_is_better(metric.removeprefix("eval_"))
    return defaults


def is_sharded(arguments: TrainingArguments) -> bool:
    """Tells whether FSDP or DeepSpeed shares out the model itself among the processes."""
    return bool(arguments.fsdp or arguments.deepspeed_plugin or parse_flag_from_env("ACCELERATE_USE_FSDP"))


def num_epochs(arguments: TrainingArguments, num_batches: int) -> float:
    """Returns how often a run goes through its rows.

    Args:
        num_batches: of one rank in an epoch.
    """
    if arguments.max_steps <= 0:
        return arguments.num_train_epochs
    return arguments.max_steps / max(math.ceil(num_batches / arguments.gradient_accumulation_steps), 1)


def _fixed(train: TrainSpec, checkpoints: Path) -> dict[str, Any]:
    """What ftkit does itself, and better: its own progress, trackers, rotation and NaN guard."""
    precision = stated_precision(train)
    return {
        **({precision: True} if precision in ("bf16", "fp16") else {}),
        "output_dir": str(checkpoints),
        "seed": train.chosen_seed,
        "disable_tqdm": True,
        "report_to": "none",  # see ftkit.engine.trackers
        "logging_nan_inf_filter": False,
        "save_total_limit": None,
        "remove_unused_columns": False,
        "label_smoothing_factor": 0.0,
    }


def _check(kwargs: dict[str, Any], patience: int | None, has_validation: bool) -> None:
    if "lomo" in str(kwargs.get("optim", "")):
        raise ConfigError(
            "train.optim: LOMO changes the weights during the backward pass, and a batch is computed in several. "
            "Choose another optimizer, such as adafactor, to save memory."
        )
    if kwargs["eval_strategy"] != "no" and not has_validation:
        raise ConfigError("train.eval_strategy: there is nothing to evaluate on. Give data.validation, or say no.")
    if kwargs.get("load_best_model_at_end") and kwargs["eval_strategy"] == "no":
        raise ConfigError("train.load_best_model_at_end: needs data.validation and an eval_strategy.")
    if patience is not None and not kwargs.get("load_best_model_at_end"):
        raise ConfigError("train.early_stopping_patience: needs data.validation and an eval_strategy.")
