"""What a run computes in: as its config says, or what a probe of a few real steps finds faster, fp32 or bf16.

Weights, optimizer and evaluation are float32 in any case; what changes is the arithmetic of the forward and backward
pass. bf16 is several times faster where the hardware multiplies it, and several times slower where it does not, so it
is measured on the run's own model, rows and device. A run that is resumed computes as it began.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.task_adapter import Batch, Encoded, TaskAdapter
from ftkit.config.train import Precision, TrainSpec, stated_precision
from ftkit.console import note, warn
from ftkit.data.files import atomic_write_json
from ftkit.engine.arguments import is_sharded, num_epochs
from ftkit.engine.batching import RowOfEpoch, StepSize, num_batches, plan_epoch
from ftkit.engine.current_batch import computing
from ftkit.engine.evaluation import evaluating
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.errors import ConfigError

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments

PROBED: tuple[Precision, Precision] = ("fp32", "bf16")
RECORD = "precision.json"
NUM_STEPS = 3  # in each precision, one after the other: a machine that is busy for a moment slows both
MIN_BATCHES = 50  # with warm-up a probe costs about eight steps
SMALL_RUN = 1e13  # floating-point operations: a minute or two on a laptop, where there is nothing to win
MIN_GAIN = 1.1  # below, the difference is within what timings vary, and not worth coarser arithmetic
CLEAR = 2.0  # one step that differs by so much decides
# bf16 keeps 8 bits of a number: losses differ by some parts in a thousand. More means that a model does not bear it.
LOSS_TOLERANCE, SMALL_LOSS = 0.05, 0.1


@dataclass(frozen=True)
class Choice:
    """What a run computes in, and why.

    Attributes:
        fp32_seconds: per 1,000 tokens of training rows, forward and backward pass; None where nothing was measured.
        bf16_seconds: the same.
    """

    precision: str
    reason: str
    fp32_seconds: float | None = None
    bf16_seconds: float | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What `all_results.json` says of it."""
        facts = asdict(self)
        return {"precision": facts.pop("precision"), "precision_probe": facts}


def check_precision(train: TrainSpec, arguments: TrainingArguments) -> None:
    """Refuses a precision that the launcher contradicts or the device does not have.

    Raises:
        ConfigError: either.
    """
    stated = stated_precision(train)
    launched = _launched()
    if stated is not None and launched not in (None, stated):
        raise ConfigError(
            f"train.precision: the config asks for {stated}, accelerate launch for mixed precision {launched}. "
            "Say the same in both, or leave one out."
        )
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
    folder: Path,
    resume: bool,
) -> Choice:
    """Decides what is computed in, on the main process for all, and writes it into the training arguments.

    All processes call this together, before the trainer is made. The model keeps its weights, buffers and gradients,
    and the random numbers to come stay the same; it is moved to its device.

    Args:
        folder: where the choice is recorded, for a run that is resumed.
        resume: compute as the record says.
    """
    stated, launched = stated_precision(spec), _launched()
    if stated is not None:
        return Choice(stated, "as the config says")
    if resume:
        choice = _recorded(folder / RECORD)
    elif launched is not None:
        choice = Choice(launched, "as accelerate launch says")
    elif reason := _why_not_to_probe(arguments, model, train, size):
        choice = Choice("fp32", f"not probed: {reason}")
    else:
        choice = _probe(arguments, adapter, model, train, size)
    choice = Choice(**_from_main_process(asdict(choice)))
    if arguments.process_index == 0:
        atomic_write_json(folder / RECORD, asdict(choice))
    if launched not in (None, choice.precision):
        warn(f"accelerate launch says {launched}, but the run began in {choice.precision} and is resumed in it.")
    if not choice.reason.startswith("not probed"):
        note(f"precision: {choice.precision} ({choice.reason})")
    # Accelerate learns it from the arguments, when the trainer is made.
    arguments.bf16, arguments.fp16 = choice.precision == "bf16", choice.precision == "fp16"
    arguments.mixed_precision = "no" if choice.precision == "fp32" else choice.precision
    return choice


def _launched() -> str | None:
    """Returns the mixed precision that `accelerate launch` was told; it says `no` unless it was told one."""
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    return None if launched == "no" else launched


def _recorded(path: Path) -> Choice:
    try:
        return Choice(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Choice("fp32", "resumed; the precision of the first start was not recorded")


def _from_main_process(value: dict[str, Any]) -> dict[str, Any]:
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


# --- is it worth it? ---


def _why_not_to_probe(arguments: TrainingArguments, model: Module, train: Encoded, size: StepSize) -> str | None:
    """Returns why a run is not probed and computes in fp32; None if it is."""
    from transformers.utils import is_torch_bf16_gpu_available

    if is_sharded(arguments):
        return "the model is sharded"
    if arguments.torch_compile:
        return "the model would be compiled for it"
    if arguments.activation_checkpointing:
        return "activations are not kept, and a probe would keep them"
    if arguments.device.type != "cpu" and not is_torch_bf16_gpu_available():
        return "this device does not compute in bf16"
    batches, operations = _work(arguments, model, train, size)
    if batches < MIN_BATCHES:
        return f"{batches} batches are few"
    if operations < SMALL_RUN:
        return f"about {operations:.0e} operations are little work"
    return None


def _work(arguments: TrainingArguments, model: Module, train: Encoded, size: StepSize) -> tuple[int, float]:
    """Returns how many batches this process trains on, and the floating-point operations: 6 a weight and token."""
    world_size = arguments.world_size
    batches_an_epoch = num_batches(train.costs, size, multiple_of=world_size) // world_size
    epochs = num_epochs(arguments, batches_an_epoch)
    tokens = float(train.costs.sum()) / world_size * epochs
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    weights = sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in embeddings)
    return math.ceil(epochs * batches_an_epoch), 6.0 * weights * tokens


# --- the probe ---


def _probe(
    arguments: TrainingArguments, adapter: TaskAdapter, model: Module, train: Encoded, size: StepSize
) -> Choice:
    """Measures the first batches of the first epoch in both precisions."""
    seed = arguments.seed if arguments.data_seed is None else arguments.data_seed
    order = plan_epoch(train.costs, size, seed=seed, epoch=0, multiple_of=arguments.world_size)
    rows_of_steps = order[arguments.process_index :: arguments.world_size][:NUM_STEPS]
    if next(model.parameters()).device != arguments.device:
        model.to(arguments.device)
    rows, collate = TrainingRows(train), PartsCollator(adapter.preprocessor, train.costs, size, seed=seed)
    steps = [
        collate(rows.__getitems__([RowOfEpoch(index, 0) for index in indices.tolist()]))[PARTS]
        for indices in rows_of_steps
    ]
    costs = [int(train.costs[indices].sum()) for indices in rows_of_steps]
    arguments.distributed_state.wait_for_everyone()
    with _unchanged(model, arguments.device):
        passes = _Passes(model, adapter, arguments.device)
        try:
            problem = passes.problem(steps[0][0])
            return Choice("fp32", problem) if problem else _faster(passes, steps, costs)
        except RuntimeError as error:
            return Choice("fp32", f"the probe failed: {str(error).strip().splitlines()[0]}")


def _faster(passes: _Passes, steps: Sequence[Sequence[Batch]], costs: Sequence[int]) -> Choice:
    """Times the steps in turns and returns the faster precision."""
    seconds = dict.fromkeys(PROBED, 0.0)
    for name in PROBED:
        passes.seconds(steps[0][:1], name)  # the first pass of a kernel also sets it up
    measured = 0
    for step in steps:
        for name in PROBED if measured % 2 == 0 else PROBED[::-1]:
            seconds[name] += passes.seconds(step, name)
        measured += 1
        ratio = seconds["fp32"] / seconds["bf16"]
        if not 1 / CLEAR < ratio < CLEAR:
            break
    per_thousand = {f"{name}_seconds": seconds[name] * 1000 / sum(costs[:measured]) for name in PROBED}
    chosen = "bf16" if ratio >= MIN_GAIN else "fp32"
    than = f"{ratio:.1f}x faster than fp32" if ratio > 1 else f"bf16 took {1 / ratio:.1f}x as long"
    if 1 < ratio < MIN_GAIN:
        than = f"bf16 was {ratio:.2f}x faster, which is not enough"
    return Choice(chosen, f"{than} in a probe of {measured} step{'s' * (measured > 1)}", **per_thousand)


@dataclass(frozen=True)
class _Passes:
    """Forward and backward passes over parts of batches, as the trainer makes them."""

    model: Module
    adapter: TaskAdapter
    device: torch.device

    def loss(self, part: Batch, precision: Precision) -> torch.Tensor:
        """Returns the mean loss of the rows and adds its gradients."""
        # Without their numbers: what is kept of training rows for later is not to come from a trial.
        batch = dataclasses.replace(part, row_indices=None).to(self.device)
        with computing(batch):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                outputs = self.model(**batch.inputs)
            loss = self.adapter.objective.loss(outputs, batch).mean()
            loss.backward()
        return loss.detach()

    def seconds(self, parts: Sequence[Batch], precision: Precision) -> float:
        """Returns how long a batch takes, without the optimizer, whose work is float32 in any case."""
        self._wait()
        started = time.perf_counter()
        for part in parts:
            self.loss(part, precision)
        self._wait()
        seconds = time.perf_counter() - started
        self.model.zero_grad()
        return seconds

    def problem(self, part: Batch) -> str | None:
        """Returns why bf16 would not do, judged by one pass without dropout; None if it does."""
        losses: dict[str, float] = {}
        with evaluating(self.model):
            for name in PROBED:
                losses[name] = float(self.loss(part, name))
                gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
                finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
                self.model.zero_grad()
                if not (finite and math.isfinite(losses[name])):
                    return f"the loss or a gradient is not finite in {name}"
        one, other = losses["fp32"], losses["bf16"]
        if abs(one - other) > LOSS_TOLERANCE * max(abs(one), SMALL_LOSS):
            return f"the loss is {other:.4g} in bf16 and {one:.4g} in fp32, too far apart"
        return None

    def _wait(self) -> None:
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


@contextlib.contextmanager
def _unchanged(model: Module, device: torch.device) -> Iterator[None]:
    """Trains in the block, and puts back what passes change beside gradients: buffers, mode, random numbers."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    was_training, numpy_state, python_state = model.training, np.random.get_state(), random.getstate()
    on_device = {} if device.type == "cpu" else {"device_type": device.type}
    with torch.random.fork_rng(devices=[device] if on_device else [], **on_device):
        model.train()
        try:
            yield
        finally:
            model.zero_grad()
            model.train(was_training)
            np.random.set_state(numpy_state)
            random.setstate(python_state)
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


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
