"""What a model computes in when it predicts: float32, bfloat16, or 8-bit integers on a CPU.

float32 repeats the run's own predictions; the others round, and how far the predictions differ is a matter of the
model. bf16 keeps weights and arithmetic of linear layers in 16 bits (torch.autocast). int8 keeps the weights of linear
layers in 8 bits and rounds what goes into them as it comes. Heads stay float32: they cost nothing and decide.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import RunConfig
from ftkit.console import note
from ftkit.engine.batching import BatchLimits
from ftkit.engine.evaluation import mean_loss
from ftkit.engine.predicting import predict_windows
from ftkit.errors import UserError, did_you_mean, name_list
from ftkit.inference.int8_linear import Int8Linear
from ftkit.kinds.kind import Kind
from ftkit.models.quantization import outside_of_body

if TYPE_CHECKING:
    from transformers import PreTrainedModel

InferencePrecision = Literal["fp32", "bf16", "int8"]
CHOICES = ("auto", *get_args(InferencePrecision))

MIN_GAIN = 1.1  # below, the difference is within what timings vary, and not worth coarser arithmetic
PROBE_ROWS, PROBE_ROUNDS = 16, 3  # rows: enough for one full batch on a CPU

Passes = Callable[["torch.dtype | None"], Any]


def check_precision(name: str) -> None:
    """Refuses a name that is no precision.

    Raises:
        UserError: it is none.
    """
    if name not in CHOICES:
        raise UserError(
            f"precision: there is no {name!r}.{did_you_mean(name, CHOICES)} There is {name_list(CHOICES)}."
        )


def set_precision(model: PreTrainedModel, name: str, adapter: TaskAdapter, kind: Kind) -> InferencePrecision:
    """Makes a model, on its device, ready to predict in a precision.

    Args:
        name: one of `CHOICES`; auto measures whether bf16 is faster than fp32, and never rounds to 8 bits.

    Returns:
        What it computes in from now on.

    Raises:
        UserError: the device does not compute in it.
    """
    if name == "int8":
        _quantize(model)
        return "int8"
    if name == "auto":
        name = _faster(forward_passes(model, adapter, kind), model.device) if _has_bf16(model.device) else "fp32"
    elif name == "bf16" and not _has_bf16(model.device):
        raise UserError(f"precision: {model.device} does not compute in bf16. Leave it out, or say fp32.")
    if name == "bf16":
        for module, _ in _layers(model):
            module.to(torch.bfloat16)  # once, rather than by autocast in every batch
        return "bf16"
    return "fp32"


def merged(model: Any, config: RunConfig) -> PreTrainedModel:
    """Returns a run's model with a trained adapter, if it has one, added to the weights: to be rounded as one.

    Raises:
        UserError: the adapter changes no weights, or those of its base are quantised.
    """
    assert config.run is not None
    if config.run.base is None:
        return model
    if getattr(model, "is_quantized", False):
        raise UserError(f"precision: the base of this adapter is in {config.tuner.quantization} already. Say fp32.")
    from ftkit.tuners.merge import check_can_be_merged, merge

    check_can_be_merged(config.tuner)
    return merge(model)


def autocast_type(precision: InferencePrecision) -> torch.dtype | None:
    """Returns what torch.autocast is to be told; None for nothing."""
    return torch.bfloat16 if precision == "bf16" else None


def _has_bf16(device: torch.device) -> bool:
    from transformers.utils import is_torch_bf16_gpu_available

    return device.type == "cpu" or is_torch_bf16_gpu_available()


def _layers(model: PreTrainedModel) -> Iterator[tuple[torch.nn.Module, str]]:
    """Yields the linear layers of a model's body with their names; those that share an embedding's table aside."""
    from transformers.pytorch_utils import Conv1D

    kept = set(outside_of_body(model))
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    for name, module in list(model.named_modules()):
        if type(module) in (torch.nn.Linear, Conv1D) and name not in kept and id(module.weight) not in tables:
            yield module, name


# --- int8 ---


def _quantize(model: PreTrainedModel) -> None:
    if model.device.type != "cpu":
        raise UserError(f"precision: int8 is for CPUs, and the model is on {model.device}. Say bf16 there.")
    for module, name in _layers(model):
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, Int8Linear.of(module))


# --- auto ---


def forward_passes(model: PreTrainedModel, adapter: TaskAdapter, kind: Kind) -> Passes:
    """Returns a function that runs made-up inputs through a model, as predictions do."""
    probes = [kind.probe(position) for position in range(PROBE_ROWS)]
    # Where texts are written, they are given: a search would take long, and show the same.
    rows = adapter.preprocessor.encode(probes, targets=not adapter.objective.one_pass)
    limits = BatchLimits(math.inf, PROBE_ROWS * int(rows.costs.max()))
    if adapter.objective.one_pass:
        return lambda autocast: next(predict_windows(model, adapter, rows, limits, autocast=autocast))
    return lambda autocast: mean_loss(model, adapter, rows, limits, autocast=autocast)


def _faster(passes: Passes, device: torch.device) -> InferencePrecision:
    """Times both in turns, after one pass each that sets their kernels up."""
    seconds = {None: math.inf, torch.bfloat16: math.inf}
    for count in range(PROBE_ROUNDS + 1):
        for autocast in seconds:
            taken = _seconds(lambda autocast=autocast: passes(autocast), device)  # type: ignore[misc]
            seconds[autocast] = min(seconds[autocast], taken) if count else math.inf
    gain = seconds[None] / seconds[torch.bfloat16]
    chosen: InferencePrecision = "bf16" if gain >= MIN_GAIN else "fp32"
    note(f"precision: {chosen}; bf16 took {1 / gain:.2f} times as long as fp32 in a probe")
    return chosen


def _seconds(call: Callable[[], Any], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - started
