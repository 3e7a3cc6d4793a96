"""Losses over cosines of images and texts, by hand and against transformers' own."""

from __future__ import annotations

import math

import pytest
import torch

from ftkit.adapters.objectives.contrast_losses import belong_together, sigmoid_losses, softmax_losses


def keys(*pairs: tuple[int, int]) -> torch.Tensor:
    return torch.tensor(pairs)


APART = keys((1, 11), (2, 12))


def test_the_examples() -> None:
    logits = torch.tensor([[4.0, 0.0], [0.0, 4.0]])
    assert softmax_losses(logits, belong_together(APART)).tolist() == pytest.approx(
        [math.log1p(math.exp(-4))] * 2, rel=1e-4
    )
    assert softmax_losses(logits, belong_together(keys((1, 11), (2, 11)))).tolist() == [0, 0]
    logits = torch.tensor([[4.0, -4.0], [-4.0, 4.0]])
    assert sigmoid_losses(logits, belong_together(APART)).tolist() == pytest.approx(
        [2 * math.log1p(math.exp(-4))] * 2, rel=1e-4
    )
    assert belong_together(keys((1, 11), (1, 12), (3, 12))).tolist() == [
        [True, True, False],
        [True, True, True],
        [False, True, True],
    ]


def test_without_equal_ones_they_are_those_of_transformers() -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    belongs = belong_together(torch.arange(12).reshape(6, 2))
    assert softmax_losses(logits, belongs).mean().item() == pytest.approx(image_text_contrastive_loss(logits.T).item())
    signs = 2 * torch.eye(6) - 1
    expected = -torch.nn.functional.logsigmoid(signs * logits).sum(dim=-1)
    assert sigmoid_losses(logits, belongs).tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("losses", [softmax_losses, sigmoid_losses])
def test_what_belongs_together_has_no_gradient(losses) -> None:
    logits = torch.zeros(3, 3, requires_grad=True)
    losses(logits, belong_together(keys((1, 11), (1, 12), (3, 13)))).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == logits.grad[1, 0] == 0
    assert (logits.grad != 0).sum() == 7
