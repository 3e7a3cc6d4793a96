"""float32 layers computed by oneDNN on CPUs where PyTorch's own matrix products are slow.

PyTorch multiplies float32 matrices with Intel's MKL, which uses AVX-512 on Intel's CPUs alone. On an AMD EPYC of the
Zen 5 generation it reaches 110 GFLOP/s a core, and oneDNN, which PyTorch ships for other types, 250: a step in which
MiniLM is trained took 207 instead of 375 ms. Zen 4 computes 512 bits in two halves, and gains nothing in a step. Both
libraries compute in full float32; they add in another order, so results differ as they do between two batch sizes: by
rounding.
"""

from __future__ import annotations

import functools
import types
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from ftkit.engine.memory import FILLED_TO

ZEN_5 = 26  # the family that Linux tells in /proc/cpuinfo; Zen 4 is 25

# Around the product of a small layer much else is done here. A translator of two million weights trained at 175 pairs
# a second and in 889 MB with them, at 240 pairs and in 775 MB without.
LEAST_WEIGHTS = 100_000

CPU_INFO = Path("/proc/cpuinfo")


def use_onednn(model: torch.nn.Module) -> int:
    """Lets oneDNN compute a model's linear layers, gradients included, where that is faster.

    Weights stay where they are: the model is saved, tuned and moved as before. Layers on another device, in another
    type or under autocast are computed as ever.

    Returns:
        How many layers it computes: large ones; 0 on a machine where nothing is gained.
    """
    if not mkl_is_slow():
        return 0
    from transformers.pytorch_utils import Conv1D

    linear: list[Any] = [module for module in model.modules() if type(module) in (torch.nn.Linear, Conv1D)]
    layers = [module for module in linear if module.weight.numel() >= LEAST_WEIGHTS]
    for layer in layers:
        forward = _linear if isinstance(layer, torch.nn.Linear) else _conv1d
        layer.forward = types.MethodType(forward, layer)
    return len(layers)


@functools.cache
def mkl_is_slow() -> bool:
    """Tells whether MKL leaves much of AVX-512 unused here. Read off the CPU, not timed: equal runs stay equal."""
    return bool(
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and cpu_fact("vendor_id") == "AuthenticAMD"
        and int(cpu_fact("cpu family") or 0) >= ZEN_5
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def cpu_fact(name: str) -> str | None:
    """Returns what Linux tells of the first CPU, such as `GenuineIntel` for `vendor_id`; None where it does not."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    facts = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in facts if key.strip() == name), None)


def _linear(self: torch.nn.Linear, input: torch.Tensor) -> torch.Tensor:
    if _suits(input, self.weight):
        return _multiply(input, self.weight, self.bias)
    return functional.linear(input, self.weight, self.bias)


def _conv1d(self: Any, input: torch.Tensor) -> torch.Tensor:
    """GPT-2's layer, whose weight is (in, out)."""
    if _suits(input, self.weight):
        return _multiply(input, self.weight.t(), self.bias)
    return type(self).forward(self, input)


def _suits(input: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        input.dtype is weight.dtype is torch.float32
        and input.device.type == weight.device.type == "cpu"
        and input.dim() > 1
        and input.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _multiply(input: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> torch.Tensor:
    input = input.contiguous()  # of rows that lie apart oneDNN makes much work: 50 times as much in a gradient
    rows_TI = input.flatten(0, -2)
    num_rows = len(rows_TI)
    if filling := -num_rows % FILLED_TO:
        rows_TI = functional.pad(rows_TI, (0, 0, 0, filling))
    # What a function with gradients of its own returns may not be a view: AdaLoRA's layers add to it in place.
    product = _Multiply.apply if torch.is_grad_enabled() else _product
    return product(rows_TI, weight_OI, bias_O)[:num_rows].unflatten(0, input.shape[:-1])


def _product(input: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None = None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(input, weight_OI, bias_O, "none", [], "")


class _Multiply(torch.autograd.Function):
    """The product with its gradients: three products, each by oneDNN."""

    @staticmethod
    def forward(
        ctx: Any, input_TI: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(input_TI, weight_OI)
        return _product(input_TI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        input_TI, weight_OI = ctx.saved_tensors
        grad_TO = grad.contiguous()
        needs_input, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _product(grad_TO, weight_OI.t()) if needs_input else None,
            _product(grad_TO.t(), input_TI.t()) if needs_weight else None,
            grad_TO.sum(0) if needs_bias else None,
        )
