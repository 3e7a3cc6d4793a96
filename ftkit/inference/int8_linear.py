"""A linear layer in 8-bit integers, on a CPU."""

from __future__ import annotations

import torch

LARGEST = 127  # of 8 bits with a sign; -128 is not used, so that every scale is symmetric
SMALLEST = 1e-12  # a row of zeros has a scale too


class Int8Linear(torch.nn.Module):
    """A linear layer whose weights are 8-bit integers, and whose inputs are rounded to such as they come.

    Each output has a scale of its own, and so has each token: what a text gets does not depend on the others of its
    batch. This is the dynamic W8A8 scheme of LLM.int8 (arXiv 2208.07339), without its parts in 16 bits.

    Attributes:
        weight: (O, I), 8-bit integers, under the name that other modules look up.
        scale: (O,), what an integer of each output is worth.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> None:
        super().__init__()
        scale_O = weight_OI.abs().amax(dim=1).clamp(min=SMALLEST) / LARGEST
        self.register_buffer("weight", (weight_OI / scale_O[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale_O)
        self.register_buffer("bias", bias_O)

    @classmethod
    def of(cls, layer: torch.nn.Module) -> Int8Linear:
        """Returns the 8-bit counterpart of an `nn.Linear`, or of a Conv1D of GPT-2, whose weight is (I, O)."""
        weight, bias = layer.weight.detach(), layer.bias  # type: ignore[operator]
        weight_OI = weight if isinstance(layer, torch.nn.Linear) else weight.t().contiguous()
        return cls(weight_OI, None if bias is None else bias.detach())  # type: ignore[operator]

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Computes `input` (..., I) into (..., O), float32."""
        input_TI = input.reshape(-1, input.shape[-1])
        scale_T1 = input_TI.abs().amax(dim=1, keepdim=True).clamp_(min=SMALLEST).div_(LARGEST)
        rounded_TI = (input_TI / scale_T1).round_().to(torch.int8)
        # In place from here on: on a CPU new memory for a result costs more than computing it.
        output_TO = torch._int_mm(rounded_TI, self.weight.t()).float()
        output_TO.mul_(scale_T1).mul_(self.scale)
        if self.bias is not None:
            output_TO.add_(self.bias)
        return output_TO.view(*input.shape[:-1], -1)
