"""Losses over the cosines of images and texts: each has to be nearest to what belongs to it.

A pair that is known to belong together without being a row's own, such as an image and the caption of an equal one, is
left out: it is neither a positive nor a negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

IMAGE, TEXT = 0, 1
"""Columns of the keys that tell equal images, and equal texts."""


def belong_together(keys_N2: torch.Tensor) -> torch.Tensor:
    """Tells which images and texts are known to belong together, (N, N): the texts of equal images and of equal texts.

    Example: of three rows the first two have one image, the last two one text. Then the first image and the third
    text do not belong together, and all other pairs do but the third image and the first text.

    Args:
        keys_N2: of each row what tells its image, and its text, from others.
    """
    same_image_NN = keys_N2[:, None, IMAGE] == keys_N2[None, :, IMAGE]
    same_text_NN = keys_N2[:, None, TEXT] == keys_N2[None, :, TEXT]
    return same_image_NN | same_text_NN


def softmax_losses(logits_NN: torch.Tensor, belongs_NN: torch.Tensor) -> torch.Tensor:
    """Returns CLIP's loss of each row, (N,): the mean of the cross-entropies of its text among all, and of its image.

    Source: Radford et al. (2021), arXiv 2103.00020, figure 3.

    Example: two rows whose logits are 4 for their own pairs and 0 for others give log(1 + exp(-4)) = 0.018 each; with
    one caption for both they give 0.

    Args:
        logits_NN: of image i and text j.
        belongs_NN: pairs that are no negatives, the rows' own among them.
    """
    return (_cross_entropy(logits_NN, belongs_NN) + _cross_entropy(logits_NN.T, belongs_NN.T)) / 2


def sigmoid_losses(logits_NN: torch.Tensor, belongs_NN: torch.Tensor) -> torch.Tensor:
    """Returns SigLIP's loss of each row, (N,): of its image and every text whether they belong together, yes or no.

    Source: Zhai et al. (2023), arXiv 2303.15343, section 3.2.

    Example: two rows whose logits are 4 for their own pairs and -4 for others give 2 log(1 + exp(-4)) = 0.036 each.

    Args:
        logits_NN: of image i and text j, the bias included.
        belongs_NN: pairs that are no negatives, the rows' own among them.
    """
    import torch
    from torch.nn import functional

    own_NN = torch.eye(len(logits_NN), dtype=torch.bool, device=logits_NN.device)
    losses_NN = -functional.logsigmoid(torch.where(own_NN, logits_NN, -logits_NN))
    return losses_NN.masked_fill(belongs_NN & ~own_NN, 0.0).sum(dim=1)


def _cross_entropy(logits_NN: torch.Tensor, belongs_NN: torch.Tensor) -> torch.Tensor:
    import torch
    from torch.nn import functional

    own_N = torch.arange(len(logits_NN), device=logits_NN.device)
    own_NN = own_N[:, None] == own_N[None, :]
    left_NN = logits_NN.masked_fill(belongs_NN & ~own_NN, torch.finfo(logits_NN.dtype).min)
    return functional.cross_entropy(left_NN, own_N, reduction="none")
