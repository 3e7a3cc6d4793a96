"""Losses that compare rows: worked values, sentence-transformers' own, and what is no negative."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ftkit.adapters.objectives.similarity_losses import contrast_losses, cosent_losses

SCALE = 20.0


def units(num_texts: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(num_texts, 8, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(drawn, dim=-1)


def test_cosent_counts_pairs_in_a_wrong_order() -> None:
    cosines_B = torch.tensor([0.9, 0.1])
    assert cosent_losses(cosines_B, torch.tensor([1.0, 0.0]), SCALE).tolist() == pytest.approx([1.1e-7] * 2, abs=2e-7)
    assert cosent_losses(cosines_B, torch.tensor([0.0, 1.0]), SCALE).tolist() == pytest.approx([16.0] * 2)
    assert cosent_losses(cosines_B, torch.tensor([0.5, 0.5]), SCALE).tolist() == [0.0, 0.0], "equal scores"


def test_a_row_alone_has_a_gradient_of_zero() -> None:
    """A rank without a row computes one of another rank, whose loss does not count."""
    cosine_B = torch.tensor([0.3], requires_grad=True)
    cosent_losses(cosine_B, torch.tensor([1.0]), SCALE).sum().backward()
    assert cosine_B.grad is not None
    assert cosine_B.grad.tolist() == [0.0]


def test_losses_are_those_of_sentence_transformers() -> None:
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss, MultipleNegativesRankingLoss

    vectors = units(12)
    scores_B = torch.tensor([0.2, 0.9, 0.4, 0.4])
    one, other = vectors[0:8:2], vectors[1:8:2]
    theirs = CoSENTLoss(None).compute_loss_from_embeddings([one, other], scores_B)
    ours = cosent_losses((one * other).sum(dim=-1), scores_B, SCALE)
    torch.testing.assert_close(ours, theirs.expand(4))
    columns = [vectors[0::3], vectors[1::3], vectors[2::3]]
    theirs = MultipleNegativesRankingLoss(None).compute_loss_from_embeddings(columns, None)
    ours = contrast_losses(vectors, [3] * 4, torch.arange(1, 13).view(4, 3), SCALE, symmetric=False)
    torch.testing.assert_close(ours.mean(), theirs)


def test_both_directions_are_averaged() -> None:
    vectors = units(6)
    anchors, positives = vectors[0::2], vectors[1::2]
    logits = SCALE * anchors @ positives.T
    own = torch.arange(3)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    found = contrast_losses(vectors, [2] * 3, torch.arange(1, 7).view(3, 2), SCALE, symmetric=True)
    torch.testing.assert_close(found.mean(), expected)


@pytest.mark.parametrize(
    "hashes",
    [
        pytest.param([[1, 2], [3, 2]], id="equal positives"),
        pytest.param([[1, 2], [1, 4]], id="equal anchors"),
    ],
)
@pytest.mark.parametrize("symmetric", [False, True])
def test_what_belongs_to_an_anchor_is_no_negative_of_it(hashes: list[list[int]], symmetric: bool) -> None:
    found = contrast_losses(units(4), [2, 2], torch.tensor(hashes), SCALE, symmetric=symmetric)
    assert found.tolist() == [0, 0], "nothing is left to tell a positive from"


def test_an_anchor_is_no_negative_of_itself() -> None:
    """The second row's positive is the first one's anchor."""
    found = contrast_losses(units(4), [2, 2], torch.tensor([[1, 2], [3, 1]]), SCALE, symmetric=False)
    assert found[0] == 0
    assert found[1] > 0


def test_a_negative_that_is_the_positive_of_an_equal_anchor_is_none() -> None:
    """Rows of different lengths; the third row's negative is right for the first one's anchor."""
    hashes = torch.tensor([[1, 2, 7], [1, 5, 0], [3, 4, 5]])
    vectors = units(8)
    found = contrast_losses(vectors, [3, 2, 3], hashes, SCALE, symmetric=False)
    anchor, candidates = vectors[0], vectors[[1, 6, 2]]  # its positive, the third's positive, its own negative
    expected = functional.cross_entropy(SCALE * (candidates @ anchor)[None], torch.tensor([0]))
    torch.testing.assert_close(found[0], expected)
