"""Losses over vectors that are compared: rows of a micro-batch against one another, or each pair by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

SimilarityLoss = Literal["cosent", "cosine", "in-batch-negatives"]
"""What is learnt: the order of scores, the scores themselves, or which text belongs to which."""

SCALE = 20.0
"""What cosines are multiplied by, the default of sentence-transformers: a temperature of 0.05."""


def cosent_losses(cosines_B: torch.Tensor, scores_B: torch.Tensor, scale: float) -> torch.Tensor:
    """Returns the loss of pairs in a wrong order, the same for each pair: (B,).

    It is log(1 + sum of exp(scale x (cosine of i - cosine of j))) over all i, j of which j has the higher score: only
    the order of scores counts. Source: Su (2022), kexue.fm/archives/8847.

    Example: the cosines 0.9 and 0.1 of pairs with the scores 1 and 0 give log(1 + exp(20 x -0.8)) = 1e-7 each at the
    scale 20; with the scores 0 and 1 they give 16.
    """
    import torch

    differences_BB = scale * (cosines_B[:, None] - cosines_B[None, :])
    is_wrong_BB = scores_B[:, None] < scores_B[None, :]
    terms = differences_BB.masked_fill(~is_wrong_BB, -torch.inf).flatten()
    loss = torch.cat([terms.new_zeros(1), terms]).logsumexp(dim=0)
    return loss.expand(len(cosines_B))


def contrast_losses(
    units_RD: torch.Tensor, row_counts: Sequence[int], hashes_BK: torch.Tensor, scale: float, *, symmetric: bool
) -> torch.Tensor:
    """Returns the cross-entropy of each anchor's positive among all positives and negatives of the rows: (B,).

    No candidate counts against an anchor that is known to belong to it: equal to its positive, to the positive of an
    equal anchor, or to itself. Source: Henderson et al. (2017), arXiv 1705.00652, section 4.4; van den Oord et al.
    (2018), arXiv 1807.03748 (InfoNCE), with a temperature of 1 / scale.

    Example: two rows whose anchors have cosines of 0.9 to their own positives and of 0.1 to the other one give
    log(1 + exp(-16)) = 1e-7 each at the scale 20. If both positives are the same text, they give 0.

    Args:
        units_RD: the texts of all rows, vectors of length 1: of each row anchor, positive, negatives.
        row_counts: how many texts each row has, (B,).
        hashes_BK: what tells equal texts from others; rows with fewer texts are filled up.
        symmetric: the mean of it and of each positive's anchor among all anchors.
    """
    import torch

    starts = np.cumsum([0, *row_counts])[:-1]
    positives = (starts + 1).tolist()
    others = sorted(set(range(len(units_RD))) - set(starts.tolist()) - set(positives))
    hashes_R = torch.cat([of_row[:count] for of_row, count in zip(hashes_BK, row_counts, strict=True)])
    scores_BC = scale * units_RD[starts.tolist()] @ units_RD[positives + others].T
    belongs_BC = _belong(hashes_R[starts.tolist()], hashes_R[positives], hashes_R[positives + others])
    losses_B = _cross_entropy(scores_BC, belongs_BC)
    if not symmetric:
        return losses_B
    size = len(starts)
    return (losses_B + _cross_entropy(scores_BC[:, :size].T, belongs_BC[:, :size].T)) / 2


def _belong(anchors_B: torch.Tensor, positives_B: torch.Tensor, candidates_C: torch.Tensor) -> torch.Tensor:
    """Tells which candidates are known to belong to which anchors, (B, C), from what tells equal texts."""
    same_anchor_BB = anchors_B[:, None] == anchors_B[None, :]
    same_text_BC = positives_B[:, None] == candidates_C[None, :]
    is_positive_BC = same_anchor_BB.float() @ same_text_BC.float() > 0
    return is_positive_BC | (anchors_B[:, None] == candidates_C[None, :])


def _cross_entropy(scores_BC: torch.Tensor, belongs_BC: torch.Tensor) -> torch.Tensor:
    """Returns the loss of the candidate in each row's own place, others that belong to it left out: (B,)."""
    import torch
    from torch.nn import functional

    own_B = torch.arange(len(scores_BC), device=scores_BC.device)
    is_own_BC = own_B[:, None] == torch.arange(scores_BC.shape[1], device=scores_BC.device)[None, :]
    scores_BC = scores_BC.masked_fill(belongs_BC & ~is_own_BC, torch.finfo(scores_BC.dtype).min)
    return functional.cross_entropy(scores_BC, own_B, reduction="none")
