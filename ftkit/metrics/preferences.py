"""Metrics of models that prefer one of two answers: means over pairs of what the objective measures of them."""

from __future__ import annotations

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores

_TOTALS = "\nArgs:\n    sums over all pairs, of which `items` is the number.\n"
_NUMBER = datasets.Value("float64")
_DPO = "Rafailov et al. (2023), arXiv 2305.18290."


class RewardAccuracy(ArrayMetric):
    """The share of pairs whose chosen answer has the higher reward; of equal rewards a half."""

    description_text = "pairs whose chosen answer has the higher reward, over pairs; ties count a half."
    citation_text = _DPO
    inputs_text = _TOTALS
    input_features = (datasets.Features({"num_right": _NUMBER, "items": _NUMBER}),)

    def _compute(self, num_right: float, items: float) -> Scores:
        self.notes = {}
        return {"reward_accuracy": num_right / items}


class Rewards(ArrayMetric):
    """The implicit rewards of both answers: beta times how much likelier an answer is than before training."""

    description_text = "means of beta * log(policy / reference) of chosen and rejected answers, and their difference."
    citation_text = _DPO
    inputs_text = _TOTALS
    input_features = (datasets.Features({"chosen_reward": _NUMBER, "rejected_reward": _NUMBER, "items": _NUMBER}),)

    def _compute(self, chosen_reward: float, rejected_reward: float, items: float) -> Scores:
        self.notes = {}
        chosen, rejected = chosen_reward / items, rejected_reward / items
        return {"reward_margin": chosen - rejected, "chosen_reward": chosen, "rejected_reward": rejected}


class LogProbs(ArrayMetric):
    """How likely whole answers are."""

    description_text = "means of the log-probabilities of chosen and of rejected answers, in nats, summed over tokens."
    citation_text = _DPO
    inputs_text = _TOTALS
    input_features = (datasets.Features({"chosen_log_prob": _NUMBER, "rejected_log_prob": _NUMBER, "items": _NUMBER}),)

    def _compute(self, chosen_log_prob: float, rejected_log_prob: float, items: float) -> Scores:
        self.notes = {}
        return {"chosen_log_prob": chosen_log_prob / items, "rejected_log_prob": rejected_log_prob / items}


class KlDivergence(ArrayMetric):
    """How far the model has gone from what it was before training, by the answers of the pairs."""

    description_text = (
        "mean over all answers of log(reference / policy), in nats: an estimate of KL(reference || policy) if the "
        "answers are as the reference writes them. Where others wrote them it may be negative."
    )
    citation_text = _DPO
    inputs_text = _TOTALS
    input_features = (datasets.Features({"kl": _NUMBER, "items": _NUMBER}),)

    def _compute(self, kl: float, items: float) -> Scores:
        self.notes = {}
        return {"kl": kl / items}
