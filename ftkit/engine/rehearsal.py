"""A rehearsal of what a run is going to make of its training arguments, so that a refusal comes before it begins.

Optimizers, learning-rate schedules and compilers are made long after the arguments that name them: of packages that
may be missing, with options that may be wrong, on a device that may not suit them.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import DynamoBackend
from transformers import Trainer, get_scheduler
from transformers.utils import is_liger_kernel_available

from ftkit.errors import ConfigError, did_you_mean, name_list

if TYPE_CHECKING:
    from transformers import TrainingArguments

_NUM_STEPS = 100  # of the schedule that is made


def rehearse(arguments: TrainingArguments) -> None:
    """Makes optimizer and schedule for a layer of four weights and takes one step; names compilers that are not there.

    Raises:
        ConfigError: naming the key of `train` that cannot be satisfied here.
    """
    _check_compiler(arguments)
    if arguments.use_liger_kernel and not is_liger_kernel_available():
        raise ConfigError(
            "train.use_liger_kernel: the package liger-kernel is not installed in this environment. Install it with "
            "pip install liger-kernel, or leave the key out."
        )
    if arguments.fsdp and arguments.world_size == 1:
        raise ConfigError(
            "train.fsdp: it shares out a model among several processes, and there is one. Start the run with "
            "accelerate launch, or leave the key out."
        )
    if arguments.deepspeed_plugin is None:
        _make_schedule(arguments, _make_optimizer(arguments))


def _check_compiler(arguments: TrainingArguments) -> None:
    """Compiles a layer, unless by inductor, which takes long to begin and comes with PyTorch."""
    backend = str(arguments.torch_compile_backend)
    if not arguments.torch_compile or backend == "inductor":
        return
    known = {member.value.lower() for member in DynamoBackend}
    here = sorted(known & set(torch.compiler.list_backends(exclude_tags=())))
    if backend not in here:
        raise ConfigError(
            f"train.torch_compile_backend: no backend {backend!r} in this environment.{did_you_mean(backend, here)} "
            f"There are {name_list(here)}; inductor is the usual one."
        )
    try:
        torch.compile(torch.nn.Linear(2, 2), backend=backend)(torch.ones(1, 2))
    except Exception as error:  # each backend raises what it likes
        raise ConfigError(
            f"train.torch_compile_backend: {backend} cannot be used here: {_reason(error)} Say inductor, or leave the "
            "key out."
        ) from None


def _make_optimizer(arguments: TrainingArguments) -> torch.optim.Optimizer:
    """Returns the optimizer of a layer that is as the Trainer makes it, after one step on the run's device."""
    layer: Any = torch.nn.Linear(2, 2).to(arguments.device)
    own = copy.copy(arguments)
    if own.optim_target_modules is not None:
        own.optim_target_modules = "all-linear"  # the layer has none of the model's names
    try:
        make, options = Trainer.get_optimizer_cls_and_kwargs(own, layer)
        weights = [{"params": list(layer.parameters()), "weight_decay": arguments.weight_decay}]
        for key in ("params", "model", "optimizer_dict"):  # where optimizers with groups of their own put them
            weights = options.pop(key, weights)
        optimizer = make(weights, **options) if isinstance(make, type) else make()(layer, **options)
        layer(torch.ones(1, 2, device=arguments.device)).sum().backward()
        if callable(prepare := getattr(optimizer, "train", None)):  # of schedule-free optimizers
            prepare()
        optimizer.step()
    except Exception as error:  # each optimizer raises what it likes
        options = f", made with train.optim_args: {arguments.optim_args}," if arguments.optim_args else ""
        raise ConfigError(
            f"train.optim: {_word(arguments.optim)}{options} cannot be used here: {_reason(error)} Put that right, or "
            "choose another optimizer, such as adamw_torch."
        ) from None
    return optimizer


def _make_schedule(arguments: TrainingArguments, optimizer: torch.optim.Optimizer) -> None:
    options: Any = arguments.lr_scheduler_kwargs
    try:
        get_scheduler(
            arguments.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=arguments.get_warmup_steps(_NUM_STEPS),
            num_training_steps=_NUM_STEPS,
            scheduler_specific_kwargs=options,
        )
    except Exception as error:  # as above
        given = f"with train.lr_scheduler_kwargs: {options}" if options else "without options"
        raise ConfigError(
            f"train.lr_scheduler_type: {_word(arguments.lr_scheduler_type)} cannot be used {given}: {_reason(error)} "
            "Put that right in train.lr_scheduler_kwargs, or choose another schedule, such as linear."
        ) from None


def _word(name: Any) -> str:
    """Returns a name as a config has it; transformers makes enums of them."""
    return str(getattr(name, "value", name))


def _reason(error: Exception) -> str:
    """Returns what a library says, as a sentence."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()] or [type(error).__name__]
    text = " ".join(lines[: 2 if lines[0].endswith(":") else 1])
    return text if text.endswith((".", "!", "?")) else f"{text}."
