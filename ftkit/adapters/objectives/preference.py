"""Two answers to one question: the model is to find the chosen one likelier, compared with what it was before.

Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290) and IPO (Azar et al. 2023, arXiv 2310.12036).
The model before training is the reference. Its log-probabilities of both answers are measured once, and stand in the
rows: no second model is in memory while training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ftkit.adapters.objectives.next_token import NextTokenObjective
from ftkit.adapters.preprocessors.answer_pairs import AnswerPairPreprocessor
from ftkit.adapters.rows import REFERENCE, Batch, Encoded, Tensors

if TYPE_CHECKING:
    import torch


class _Answers(NamedTuple):
    """What is known of both answers of each pair, chosen first.

    Attributes:
        log_probs: by the model, summed over tokens, (B, 2).
        ratios: the same less those of the reference, (B, 2).
        lengths: tokens of the answers, (B, 2).
    """

    log_probs: torch.Tensor
    ratios: torch.Tensor
    lengths: torch.Tensor


class PreferenceObjective(NextTokenObjective):
    """A model that answers, judged by which of two answers it has come to find likelier."""

    options: ClassVar[tuple[str, ...]] = (*NextTokenObjective.options, "loss_type", "beta", "sft_weight")
    remembers: ClassVar[tuple[str, ...]] = ("chosen_log_prob", "rejected_log_prob")
    proven: ClassVar[tuple[str, ...]] = ("chosen_log_prob_per_token", "rejected_log_prob_per_token")

    def __init__(
        self,
        preprocessor: AnswerPairPreprocessor,
        auto_class: str,
        *,
        loss_type: str = "sigmoid",
        beta: float = 0.1,
        sft_weight: float = 0.0,
        label_smoothing: float = 0.0,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes the loss.

        Args:
            loss_type: `sigmoid` (DPO) or `ipo`.
            beta: how strongly the model is held to the reference.
            sft_weight: of the chosen answer's own loss per token.
            label_smoothing: the share of pairs that are believed to be swapped, in the sigmoid loss.
            generation: how answers are written.
        """
        super().__init__(preprocessor, auto_class, label_smoothing=label_smoothing, generation=generation)
        self.loss_type, self.beta, self.sft_weight = loss_type, beta, sft_weight

    def items(self, encoded: Encoded) -> np.ndarray:
        """One loss term a pair."""
        return np.ones(encoded.num_rows, np.int64)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float | None:  # type: ignore[override]
        """Returns the loss of a model that is its own reference; None where the answers' own loss is added to it."""
        import torch

        if self.sft_weight:
            return None
        return float(self._losses_of_margins(torch.zeros(1)))

    # --- outputs -> losses ---

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each pair's loss, (B,)."""
        return self._pair_losses(self._answers(outputs, batch))

    def measure(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns of each pair its `loss`, `items` (1), log-probabilities and, with a reference, rewards: (B,) each.

        A pair whose answers have equal rewards is `num_right` by a half.
        """
        answers = self._answers(outputs, batch)
        per_token_B2 = answers.log_probs / answers.lengths
        found = {
            "loss": self._pair_losses(answers),
            "items": per_token_B2.new_ones(len(batch)),
            "chosen_log_prob": answers.log_probs[:, 0],
            "rejected_log_prob": answers.log_probs[:, 1],
            "chosen_log_prob_per_token": per_token_B2[:, 0],
            "rejected_log_prob_per_token": per_token_B2[:, 1],
        }
        return found | (self._compared(answers) if REFERENCE in batch.extras else {})

    def _compared(self, answers: _Answers) -> Tensors:
        """Returns what of the measures takes a reference."""
        rewards_B2 = self.beta * answers.ratios
        return {
            "num_right": ((rewards_B2[:, 0] - rewards_B2[:, 1]).sign() + 1) / 2,
            "chosen_reward": rewards_B2[:, 0],
            "rejected_reward": rewards_B2[:, 1],
            "kl": -answers.ratios.mean(dim=1),
        }

    def _told(self, labels_B2T: torch.Tensor) -> torch.Tensor:
        return super()._told(labels_B2T.flatten(0, 1))

    def _answers(self, outputs: Any, batch: Batch) -> _Answers:
        """Returns what is known of the answers; rows without a reference are compared with the model itself."""
        from torch.nn.functional import cross_entropy

        read = self._read(outputs, batch)
        log_probs_N = -cross_entropy(read.logits, read.labels, reduction="none")
        log_probs_B2 = read.summed(log_probs_N).view(-1, 2)
        lengths_B2 = read.summed(read.labels.new_ones(read.labels.shape)).view(-1, 2)
        reference_B2 = batch.extras[REFERENCE] if REFERENCE in batch.extras else log_probs_B2.detach()
        return _Answers(log_probs_B2, log_probs_B2 - reference_B2, lengths_B2)

    def _pair_losses(self, answers: _Answers) -> torch.Tensor:
        """Returns the loss of each pair, (B,).

        IPO compares log-ratios per token, as its authors do: summed ones would make its square grow with the length.
        """
        ratios_B2 = answers.ratios if self.loss_type == "sigmoid" else answers.ratios / answers.lengths
        losses_B = self._losses_of_margins(ratios_B2[:, 0] - ratios_B2[:, 1])
        if not self.sft_weight:
            return losses_B
        return losses_B - self.sft_weight * answers.log_probs[:, 0] / answers.lengths[:, 0]

    def _losses_of_margins(self, margins_B: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each difference of log-ratios, (B,).

        Example: a beta of 0.1 and a margin of 2 give -log(sigmoid(0.2)) = 0.598, or (2 - 5)^2 = 9 with `ipo`.
        """
        from torch.nn.functional import logsigmoid

        if self.loss_type == "ipo":
            return (margins_B - 1 / (2 * self.beta)) ** 2
        scaled_B, swapped = self.beta * margins_B, self.label_smoothing
        return -(1 - swapped) * logsigmoid(scaled_B) - swapped * logsigmoid(-scaled_B)
