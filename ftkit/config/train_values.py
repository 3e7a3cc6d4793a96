"""Which values the keys of `train` take: a range for each number, and the words of each closed set.

TrainingArguments checks few of them. A value that it lets pass fails later with a traceback, or trains nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

LARGEST = 2**31 - 1
"""The largest count where nothing smaller is given: beyond it numbers overflow inside the libraries."""

_SEED = {"ge": 0, "le": 2**32 - 1}  # what NumPy seeds with

RANGES: Mapping[str, Mapping[str, float]] = {
    "adam_beta1": {"ge": 0, "lt": 1},
    "adam_beta2": {"ge": 0, "lt": 1},
    "adam_epsilon": {"gt": 0},  # with 0, a weight without a gradient becomes NaN
    "data_seed": _SEED,
    "dataloader_num_workers": {"ge": 0},
    "dataloader_prefetch_factor": {"ge": 1},
    "ddp_bucket_cap_mb": {"ge": 1},
    "ddp_timeout": {"ge": 1},
    "eval_accumulation_steps": {"ge": 1},
    "eval_delay": {"ge": 0, "le": LARGEST},
    "eval_steps": {"gt": 0, "le": LARGEST},
    "gradient_accumulation_steps": {"ge": 1},
    "label_smoothing_factor": {"ge": 0, "lt": 1},
    "learning_rate": {"ge": 0},
    "max_grad_norm": {"ge": 0},  # 0 clips nothing
    "max_steps": {"ge": 1},
    "neftune_noise_alpha": {"ge": 0},
    "num_train_epochs": {"gt": 0, "le": LARGEST},
    "save_steps": {"gt": 0, "le": LARGEST},
    "seed": _SEED,
    "torch_empty_cache_steps": {"ge": 1},
    "warmup_steps": {"ge": 0, "le": LARGEST},
    "weight_decay": {"ge": 0},
}
"""Key that is passed through -> its bounds, in pydantic's words. Every number is finite, and a whole one
at most `LARGEST`."""

STEPS = ("eval_steps", "save_steps", "warmup_steps")
"""Keys that count optimizer steps from 1 on, and below 1 are a share of all."""

NO_TRAINING = (
    "A run that trains nothing has nothing to prove. To score a checkpoint as it is: "
    "ftkit evaluate CHECKPOINT --task KIND --data FILE."
)
HINTS: Mapping[str, str] = {"num_train_epochs": NO_TRAINING, "max_steps": NO_TRAINING}
"""Key -> what to do instead, where a number below its range has a purpose."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "dataloader_multiprocessing_context": ("fork", "spawn", "forkserver"),
    "ddp_backend": ("nccl", "gloo", "mpi", "xccl", "hccl", "cncl", "mccl"),
    "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    "log_level": ("detail", "debug", "info", "warning", "error", "critical", "passive"),
    "log_level_replica": ("detail", "debug", "info", "warning", "error", "critical", "passive"),
    "torch_compile_mode": ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"),
}
"""Key -> the words that it takes. Those of `optim`, `lr_scheduler_type` and `debug` are read from transformers."""

_ENUMS: Mapping[str, tuple[str, str]] = {
    "optim": ("training_args.py", "OptimizerNames"),
    "lr_scheduler_type": ("trainer_utils.py", "SchedulerType"),
}
"""Key -> the file of transformers and the class in it whose values the key takes."""

OPEN_WORDS = frozenset(
    {
        *("run_name", "project", "trackio_space_id", "trackio_bucket_id"),  # names of the user's own
        *("accelerator_config", "activation_checkpointing_kwargs", "deepspeed", "fsdp_config", "lr_scheduler_kwargs"),
        *("debug", "fsdp", "optim_args", "optim_target_modules"),  # several words in one
        *("metric_for_best_model", "report_to", "torch_compile_backend"),  # known once the libraries are asked
    }
)
"""Keys with texts that cannot be listed here; `ftkit check` builds with them what they are for."""


def constrained(name: str, annotation: Any, package: Path) -> Any:
    """Returns the type of a key with its range, or the words that it takes.

    Args:
        name: the key.
        annotation: the type that transformers gives it.
        package: the folder of transformers.
    """
    if name in _ENUMS:
        file, enum = _ENUMS[name]
        return _one_of(name, enum_values(package / file, enum))
    if name in WORDS:
        words: Any = Literal[WORDS[name]]
        return words | bool if bool in getattr(annotation, "__args__", ()) else words
    if name in RANGES:
        return _within(name, int if int in (annotation, *getattr(annotation, "__args__", ())) else float)
    return annotation


def _one_of(name: str, words: tuple[str, ...]) -> Any:
    if name != "optim":
        return Literal[words]
    return Annotated[Literal[tuple(word for word in words if "lomo" not in word)], BeforeValidator(_not_lomo)]


def _within(name: str, number: Any) -> Any:
    bounds: dict[str, Any] = {**({"le": LARGEST} if number is int else {"allow_inf_nan": False}), **RANGES[name]}
    if name == "max_steps":
        return Annotated[number | None, Field(**bounds), BeforeValidator(_none_if_unset)]
    if name in STEPS:
        return Annotated[number, Field(**bounds), AfterValidator(whole_or_share)]
    return Annotated[number, Field(**bounds)]


def enum_values(path: Path, name: str) -> tuple[str, ...]:
    """Returns the values of an enum in a source file, which is read and not imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    values = (node.value for node in body if isinstance(node, ast.Assign))
    return tuple(value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))


def whole_or_share(value: float) -> float:
    """Returns a number of steps as it is, unless it is above 1 and not whole."""
    if value > 1 and value != int(value):
        raise PydanticCustomError("expectation", "expected a whole number of steps, or a share of all steps below 1")
    return value


def _not_lomo(value: Any) -> Any:
    if "lomo" in str(value):
        raise PydanticCustomError(
            "explanation",
            "LOMO changes the weights during the backward pass, and a batch is computed in several. Choose another "
            "optimizer, such as adafactor, to save memory",
        )
    return value


def _none_if_unset(value: Any) -> Any:
    """-1 is transformers' word for a number of steps that is not set."""
    return None if value == -1 and not isinstance(value, bool) else value
