"""What a run computes in: as its config says, or by a rule, fp32 or bf16.

Weights, optimizer and evaluation are float32 in any case; what changes is the arithmetic of the forward and backward
pass. bf16 is faster where the device multiplies it and the model's matrices are wide enough, so the rule asks for
both, and one step of the run's own model must come out alike in fp32 and bf16. Nothing is timed: the same config and
seed compute in the same precision on the same machine, however busy it is. A run that is resumed computes as it began.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.rows import Batch, Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import Precision, TrainSpec, stated_precision
from ftkit.console import note, warn
from ftkit.data.files import atomic_write_json
from ftkit.engine.arguments import is_sharded
from ftkit.engine.batching import StepSize
from ftkit.engine.current_batch import computing
from ftkit.engine.step_plan import RowOfEpoch, plan_steps
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.engine.trial import unchanged
from ftkit.errors import ConfigError
from ftkit.json_file import read_json_object

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments

COMPARED: tuple[Precision, Precision] = ("fp32", "bf16")
RECORD = "precision.json"
# What multiplies bf16 -> how wide a model's matrices must be on average for a step to gain clearly more than a tenth.
# Measured for AMX, set with caution for the others; the figures are in docs/performance.md.
MIN_WIDTH: Mapping[str, float] = {"amx_bf16": 192, "avx512_bf16": 320, "gpu": 192}
COMPARED_COST = 512  # positions of the step that is computed in both, at most, unless one row takes more
# bf16 keeps 8 bits of a number: losses differ by some parts in a thousand. A larger difference means that the model is
# not numerically stable in bf16.
LOSS_TOLERANCE, SMALL_LOSS = 0.05, 0.1


@dataclass(frozen=True)
class Choice:
    """What a run computes in, and why.

    Attributes:
        unit: what of the device multiplies bf16, a key of `MIN_WIDTH`; None where nothing does, or was looked for.
        mean_width: of the model's matrices; None where it did not matter.
        fp32_loss: of the step that was computed in both, without dropout; None where none was.
        bf16_loss: the same.
    """

    precision: str
    reason: str
    unit: str | None = None
    mean_width: float | None = None
    fp32_loss: float | None = None
    bf16_loss: float | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What `all_results.json` says of it."""
        facts = asdict(self)
        return {"precision": facts.pop("precision"), "precision_probe": facts}


def check_precision(train: TrainSpec, arguments: TrainingArguments) -> None:
    """Takes the config's precision where the launcher says another, and refuses one that the device does not have.

    Raises:
        ConfigError: the device does not have it.
    """
    stated = stated_precision(train)
    launched = _launched()
    if stated is not None:
        if launched not in (None, stated):
            warn(f"precision: {stated}, as the config says, and not {launched}, as accelerate launch says")
        arguments.mixed_precision = "no" if stated == "fp32" else stated
    if arguments.mixed_precision == "fp16" and arguments.device.type == "cpu":
        raise ConfigError("train.precision: fp16 needs a GPU. On a CPU say bf16, fp32 or auto.")


def choose_precision(
    spec: TrainSpec,
    arguments: TrainingArguments,
    adapter: TaskAdapter,
    model: Module,
    train: Encoded,
    size: StepSize,
    *,
    padding_is_free: bool,
    folder: Path,
    resume: bool,
) -> Choice:
    """Decides what is computed in, on the main process for all, and writes it into the training arguments.

    All processes call this together, before the trainer is made. The model keeps its weights, buffers and gradients,
    and the random numbers to come stay the same; on the main process it is moved to its device.

    Args:
        padding_is_free: padding is left out of the model.
        folder: where the choice is recorded, for a run that is resumed.
        resume: compute as the record says; where it is damaged, by the rule, which gives the same on the same machine.
    """
    stated, launched = stated_precision(spec), _launched()
    if stated is not None:
        return Choice(stated, "as the config says")
    choice = Choice("fp32", "as the main process says")
    if arguments.process_index == 0:
        recorded = _recorded(folder / RECORD) if resume else None
        if resume and recorded is None:
            warn(f"{folder / RECORD} is missing or damaged: the precision is chosen anew, by the same rule.")
        if recorded is not None:
            choice = recorded
        elif launched is not None:
            choice = Choice(launched, "as accelerate launch says")
        else:
            choice = choose_by_rule(arguments, adapter, model, train, size, padding_is_free=padding_is_free)
        atomic_write_json(folder / RECORD, asdict(choice))
    choice = Choice(**_from_main_process(asdict(choice)))
    if launched not in (None, choice.precision):
        warn(f"accelerate launch says {launched}, but the run began in {choice.precision} and is resumed in it.")
    note(f"precision: {choice.precision} ({choice.reason})")
    # Accelerate learns it from the arguments, when the trainer is made.
    arguments.bf16, arguments.fp16 = choice.precision == "bf16", choice.precision == "fp16"
    arguments.mixed_precision = "no" if choice.precision == "fp32" else choice.precision
    return choice


def _launched() -> str | None:
    """Returns the mixed precision that `accelerate launch` was told; it says `no` unless it was told one."""
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    return None if launched == "no" else launched


def _recorded(path: Path) -> Choice | None:
    """Returns what was decided when the run was started; None where that was not recorded, or is damaged."""
    try:
        choice = Choice(**read_json_object(path))
    except (OSError, ValueError, TypeError):
        return None
    return choice if choice.precision in ("fp32", "bf16", "fp16") else None


def _from_main_process(value: dict[str, Any]) -> dict[str, Any]:
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


# --- the rule ---


def choose_by_rule(
    arguments: TrainingArguments,
    adapter: TaskAdapter,
    model: Module,
    train: Encoded,
    size: StepSize,
    *,
    padding_is_free: bool,
) -> Choice:
    """Returns bf16 where the device multiplies it, the model gains by it, and a step comes out as in fp32."""
    unit, width = bf16_unit(arguments.device), round(mean_width(model), 1)
    if unit is None:
        return Choice("fp32", f"nothing in this {_noun(arguments.device)} is known to multiply bf16 fast")
    if width < MIN_WIDTH[unit]:
        return Choice("fp32", f"matrices {width:g} wide gain too little by bf16", unit, width)
    # For every shape that it meets oneDNN makes a kernel, which takes longer in bf16. A Marian 512 wide, whose padded
    # batches bring new shapes in every step, trained at 0.77 of its speed in float32.
    if arguments.device.type == "cpu" and not padding_is_free and np.unique(train.costs).size > 1:
        return Choice("fp32", "padded batches of many widths gain nothing by bf16 on a processor", unit, width)
    if is_sharded(arguments):
        return Choice("fp32", "the model is sharded, and no step of it can be tried beforehand", unit, width)
    found = Choice("bf16", f"this {_noun(arguments.device)} multiplies it: {unit}", unit, width)
    try:
        losses = _compare(arguments, adapter, model, train, size)
    except (RuntimeError, ArithmeticError) as error:
        reason = f"a trial step failed: {str(error).strip().splitlines()[0]}"
        return dataclasses.replace(found, precision="fp32", reason=reason)
    found = dataclasses.replace(found, fp32_loss=losses["fp32"], bf16_loss=losses["bf16"])
    problem = _difference(losses)
    return dataclasses.replace(found, precision="fp32", reason=problem) if problem else found


def bf16_unit(device: torch.device) -> str | None:
    """Returns what multiplies bf16 on a device, a key of `MIN_WIDTH`; None where nothing is known to do so fast.

    Of a CPU's units it is the fastest, which oneDNN takes. AVX-512's counts in AMD's processors alone: with it MiniLM
    trained at 1.40 of its float32 speed on a Zen 4, at 0.72 on an Intel Xeon that was kept from using AMX. ARM's do
    not count, for no training was measured on them.
    """
    if device.type == "cuda":
        return "gpu" if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device.type != "cpu":
        from transformers.utils import is_torch_bf16_gpu_available

        return "gpu" if is_torch_bf16_gpu_available() else None
    if not torch.backends.mkldnn.is_available():
        return None
    # Older releases of PyTorch do not tell.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities.get("amx_bf16", False):
        return "amx_bf16"
    is_amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    return "avx512_bf16" if is_amd and capabilities.get("avx512_bf16", False) else None


def _noun(device: torch.device) -> str:
    return "processor" if device.type == "cpu" else "GPU"


def mean_width(model: Module) -> float:
    """Returns how wide a model's matrices are: the shorter side of each, averaged over all of their weights.

    A layer of 384 inputs and 1,536 outputs is 384 wide. Embeddings are looked up, not multiplied, and do not count.
    """
    sides = [side for module in model.modules() if (side := _sides(module)) is not None]
    num_weights = sum(math.prod(side) for side in sides)
    return sum(min(side) * math.prod(side) for side in sides) / max(num_weights, 1)


def _sides(module: Module) -> tuple[int, int] | None:
    """Returns inputs and outputs of a module that multiplies by a matrix; None of any other."""
    if isinstance(module, torch.nn.Linear):  # quantised ones keep their weights in another shape
        return module.in_features, module.out_features
    weight = getattr(module, "weight", None)
    if isinstance(module, torch.nn.Embedding) or not isinstance(weight, torch.Tensor) or weight.dim() < 2:
        return None
    return math.prod(weight.shape[1:]), weight.shape[0]


# --- one step in both ---


def _compare(
    arguments: TrainingArguments, adapter: TaskAdapter, model: Module, train: Encoded, size: StepSize
) -> dict[Precision, float]:
    """Returns the loss of the first rows of the first epoch in both precisions, without dropout.

    Raises:
        ArithmeticError: a loss or a gradient is not finite.
        RuntimeError: the model does not compute in bf16.
    """
    if next(model.parameters()).device != arguments.device:
        model.to(arguments.device)
    batch = _first_part(arguments, adapter, train, size).to(arguments.device)
    with unchanged(model, arguments.device), computing(batch):
        return {name: _checked_loss(model, adapter, batch, name) for name in COMPARED}


def _first_part(arguments: TrainingArguments, adapter: TaskAdapter, train: Encoded, size: StepSize) -> Batch:
    """Returns the shortest rows of the first batch, as many as fit in a small step."""
    plan = plan_steps(train.costs, size, arguments)
    indices = plan.micro_batches(plan.ranks(plan.steps(0)[0])[0])[0]
    at_once = min(size.max_cost_at_once, COMPARED_COST)
    collate = PartsCollator(
        adapter.preprocessor, train.costs, dataclasses.replace(size, max_cost_at_once=at_once), seed=plan.seed
    )
    rows = TrainingRows(train).__getitems__([RowOfEpoch(index, 0) for index in indices.tolist()])
    # Without their numbers: what is kept of training rows for later is not to come from a trial.
    return dataclasses.replace(collate(rows)[PARTS][0], row_indices=None)


def _checked_loss(model: Module, adapter: TaskAdapter, batch: Batch, precision: Precision) -> float:
    """Returns the mean loss of the rows, after a backward pass whose gradients are looked at and dropped."""
    device = next(iter(batch.inputs.values())).device.type
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        outputs = model(**batch.inputs)
    loss = adapter.objective.loss(outputs, batch).mean()
    loss.backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    finite = all(bool(torch.isfinite(number).all()) for number in (loss, *gradients))
    model.zero_grad()
    if not finite:
        raise ArithmeticError(f"the loss or a gradient is not finite in {precision}")
    return loss.item()


def _difference(losses: Mapping[Precision, float]) -> str | None:
    """Returns how far apart the losses are, if that is too far."""
    one, other = losses["fp32"], losses["bf16"]
    if abs(one - other) <= LOSS_TOLERANCE * max(abs(one), SMALL_LOSS):
        return None
    return f"the loss of a step is {other:.4g} in bf16 and {one:.4g} in fp32, too far apart"


# --- what Accelerate wraps around a model ---


@contextlib.contextmanager
def full_precision(model: Module) -> Iterator[None]:
    """Takes mixed precision off for a while: a score must not depend on when it is computed."""
    original = model.__dict__.get("_original_forward")
    if original is None:
        yield
        return
    wrapped = model.forward
    model.forward = original
    try:
        yield
    finally:
        model.forward = wrapped


def unwrap_forward(model: Module) -> None:
    """Takes mixed precision off for good; Accelerate's own way would take transformers' decorators off too."""
    original = model.__dict__.pop("_original_forward", None)
    if original is not None:
        del model.forward
        if model.forward != original:
            model.forward = original
