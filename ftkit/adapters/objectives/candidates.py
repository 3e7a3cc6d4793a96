"""Candidates that are scored together: one of them is right, or some are more relevant than others.

The model gives every candidate a number, and the softmax over those of an example is compared with the share that
each candidate has of all relevance: cross-entropy where one is right, and ListNet's loss of lists that are graded
(Cao et al. 2007, 10.1145/1273496.1273513; for binary relevance, Bruch et al. 2019, 10.1145/3341981.3344221).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.labels import LabelObjective
from ftkit.adapters.objectives.tags import ragged
from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.preprocessors.text_groups import COUNT
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.types import CandidatesExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class _CandidatesObjective(LabelObjective):
    """A sequence classifier with one output, which scores each candidate."""

    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, preprocessor: Preprocessor, auto_class: str) -> None:
        super().__init__(preprocessor, auto_class)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each example's loss (B,): cross-entropy between shares of relevance and softmax of scores.

        An example in which nothing is relevant has no loss.
        """
        scores_BK, is_there_BK = padded_scores(outputs.logits, batch)
        relevances_BK = batch.labels[:, : scores_BK.shape[1]]
        targets_BK = relevances_BK / relevances_BK.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return -(targets_BK * scores_BK.log_softmax(dim=1)).where(is_there_BK, 0.0).sum(dim=1)

    def constant_loss(self, examples: Sequence[CandidatesExample], encoded: Encoded) -> float:
        """Returns the mean loss of equal scores: the logarithm of the number of candidates, where one is relevant."""
        losses = [np.log(len(example.candidates)) if any(example.relevances or ()) else 0.0 for example in examples]
        return float(np.mean(losses))

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `scores` (B, K), those of absent candidates being the lowest there is, and `loss` with labels."""
        outputs = model(**batch.inputs)
        loss = {} if batch.labels is None else {"loss": self.loss(outputs, batch)}
        return {"scores": padded_scores(outputs.logits, batch)[0], **loss}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns `predictions`, the scores of each example's candidates: (N,) of arrays (K,)."""
        found = {"predictions": ragged(_scores_of(arrays, encoded, start, stop))}
        return {**found, **({"loss": arrays["loss"]} if "loss" in arrays else {})}

    def references(self, examples: Sequence[CandidatesExample]) -> np.ndarray:
        """Returns the relevances of each example's candidates, (N,) of arrays (K,)."""
        return ragged(np.asarray(example.relevances, np.float64) for example in examples)


class RankingObjective(_CandidatesObjective):
    """Candidates in an order, the most relevant first."""

    def decode(self, arrays: Arrays, examples: Sequence[CandidatesExample]) -> list[Prediction]:
        """Returns `ranking`, positions of candidates from 0, best first, and `scores` in the input's order."""
        return [
            {"ranking": np.argsort(-scores_K, kind="stable").tolist(), "scores": scores_K.tolist()}
            for scores_K in arrays["predictions"]
        ]

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns an example without ranking and scores."""
        return {"ranking": None, "scores": None}


class ChoiceObjective(_CandidatesObjective):
    """The one candidate that is right."""

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns `predictions`, positions of the likeliest candidates, and `confidences`, their probabilities: (N,).

        `scores` are the probabilities of each example's candidates, (N,) of arrays (K,).
        """
        from scipy.special import softmax

        shares = [softmax(scores_K) for scores_K in _scores_of(arrays, encoded, start, stop)]
        found = {
            "predictions": np.array([share_K.argmax() for share_K in shares], np.int64),
            "confidences": np.array([share_K.max() for share_K in shares]),
            "scores": ragged(shares),
        }
        return {**found, **({"loss": arrays["loss"]} if "loss" in arrays else {})}

    def references(self, examples: Sequence[CandidatesExample]) -> np.ndarray:
        """Returns the positions of the right candidates, (N,)."""
        return np.array([np.argmax(example.relevances or (0,)) for example in examples], np.int64)

    def decode(self, arrays: Arrays, examples: Sequence[CandidatesExample]) -> list[Prediction]:
        """Returns `choice`, its text, `position` from 0, `score`, and `scores` of all choices in the input's order."""
        found = zip(examples, arrays["predictions"].tolist(), arrays["scores"], strict=True)
        return [
            {
                "choice": example.candidates[position],
                "position": position,
                "score": float(share_K[position]),
                "scores": share_K.tolist(),
            }
            for example, position, share_K in found
        ]

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns an example without a choice."""
        return {"choice": None, "position": None, "score": None, "scores": None}


def padded_scores(logits_R1: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the candidates' scores as one row for each example (B, K), and which of them are there (B, K).

    Example: the logits [[2], [1], [5]] of a batch whose `row_counts` are [2, 1] give the scores [[2, 1], [5, lowest]].
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    assert batch.row_counts is not None
    scores_R = logits_R1.float().squeeze(-1)
    lowest = torch.finfo(scores_R.dtype).min
    scores_BK = pad_sequence(scores_R.split(list(batch.row_counts)), batch_first=True, padding_value=lowest)
    counts_B1 = torch.tensor(batch.row_counts, device=scores_R.device)[:, None]
    return scores_BK, torch.arange(scores_BK.shape[1], device=scores_R.device)[None, :] < counts_B1


def _scores_of(arrays: Arrays, encoded: Encoded, start: int, stop: int) -> list[np.ndarray]:
    """Returns the scores of the candidates of examples `start` to `stop`, without padding."""
    counts = encoded.rows.select_columns([COUNT]).select(range(start, stop))[COUNT]
    return [np.asarray(row[:count], np.float64) for row, count in zip(arrays["scores"], counts, strict=True)]
