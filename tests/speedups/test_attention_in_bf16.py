"""Short rows train in bf16 on a CPU without the flash kernel, whose backward pass is slow there; the rest have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from ftkit.speedups.token_rows import Rows, TokenMask
from ftkit.speedups.unpadded_attention import SHORT, attend

FLASH = "ScaledDotProductFlashAttentionForCpuBackward0"


def steps_of(tensor: torch.Tensor) -> Iterator[str]:
    """Yields the names of the operations whose gradients lead to a tensor."""
    waiting: list[Any] = [tensor.grad_fn]
    while waiting:
        step = waiting.pop()
        if step is not None:
            yield type(step).__name__
            waiting += [before for before, _ in step.next_functions]


def attention_of(width: int, *, in_bf16: bool) -> torch.Tensor:
    """Returns the attention of two causal rows of so many tokens, one head of 8."""
    states = torch.linspace(-1, 1, 2 * width * 8).view(1, 1, 2 * width, 8).requires_grad_()
    module = torch.nn.Module()
    mask = TokenMask(Rows([width, width]), left=width, right=0)
    with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
        output, _ = attend(module, states, states, states, mask)
    return output


@pytest.mark.parametrize(
    ("width", "in_bf16", "by_flash"),
    [(13, True, False), (SHORT, True, False), (SHORT + 1, True, True), (13, False, True)],
)
def test_which_kernel_trains_rows(width: int, in_bf16: bool, by_flash: bool) -> None:
    output = attention_of(width, in_bf16=in_bf16)
    assert (FLASH in steps_of(output)) == by_flash


def test_both_compute_the_same() -> None:
    torch.testing.assert_close(
        attention_of(13, in_bf16=True).float(), attention_of(13, in_bf16=False), atol=0.02, rtol=0.02
    )


def test_the_choice_ends_with_the_call() -> None:
    attention_of(13, in_bf16=True)
    assert torch.backends.cuda.flash_sdp_enabled()
