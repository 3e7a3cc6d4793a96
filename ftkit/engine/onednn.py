"""float32 layers computed by oneDNN on CPUs where PyTorch's own matrix products are slow.

PyTorch multiplies float32 matrices with Intel's MKL, which uses AVX-512 on Intel's CPUs alone. On an AMD EPYC (Zen 5)
it reaches 110 GFLOP/s a core, and oneDNN, which PyTorch ships for other types, 250. Both compute in full float32; they
add in another order, so results differ as they do between two batch sizes: by rounding.
"""

from __future__ import annotations

import functools
import types
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

CPU_INFO = Path("/proc/cpuinfo")


def use_onednn(model: torch.nn.Module) -> int:
    """Lets oneDNN compute a model's linear layers, gradients included, where that is faster.

    Weights stay where they are: the model is saved, tuned and moved as before. Layers on another device, in another
    type or under autocast are computed as ever.

    Returns:
        How many layers it computes; 0 on a machine where nothing is gained.
    """
    if not mkl_is_slow():
        return 0
    from transformers.pytorch_utils import Conv1D

    layers = [module for module in model.modules() if type(module) in (torch.nn.Linear, Conv1D)]
    for layer in layers:
        forward = _linear if isinstance(layer, torch.nn.Linear) else _conv1d
        layer.forward = types.MethodType(forward, layer)
    return len(layers)


@functools.cache
def mkl_is_slow() -> bool:
    """Tells whether MKL leaves AVX-512 unused here. Asked of the CPU, not timed: equal runs are to stay equal."""
    return bool(
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and torch.backends.mkldnn.enabled
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and cpu_vendor() == "AuthenticAMD"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def cpu_vendor() -> str | None:
    """Returns what the CPU calls its maker, such as `GenuineIntel`; None where Linux does not tell."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), None)


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
    if torch.is_grad_enabled():
        # What such a function returns may not be a view: callers such as AdaLoRA's layers add to it in place.
        return _Multiply.apply(input.flatten(0, -2), weight_OI, bias_O).unflatten(0, input.shape[:-1])
    return _product(input, weight_OI, bias_O)


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
