"""Metrics of ranked lists: NDCG, MRR, MAP, recall; and the accuracy of choices.

Candidates of equal score are taken in the worst order: a model that scores all alike gains nothing from the order in
which a file lists them, where relevant ones often stand first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import numpy as np

from ftkit.metrics.array_metric import ArrayMetric, Scores

Ranked = np.ndarray
"""The relevances of one query's candidates in the order of the model, best first (K,)."""


def ranked(scores_K: np.ndarray, relevances_K: np.ndarray) -> Ranked:
    """Returns relevances in the order of the scores; of equal scores, the least relevant first.

    Example: the scores 0.9, 0.2, 0.9 and the relevances 1, 0, 0 give 0, 1, 0.
    """
    return relevances_K[np.lexsort((relevances_K, -scores_K))]


def ndcg(ranked_K: Ranked, depth: int) -> float:
    """Returns the discounted gain of the first candidates over the best there could be; gains are the relevances.

    Source: Järvelin and Kekäläinen (2002), 10.1145/582415.582418, with the logarithmic discount of trec_eval.
    """
    discounts = 1 / np.log2(np.arange(2, min(depth, len(ranked_K)) + 2))
    best = np.sort(ranked_K)[::-1]
    return float((ranked_K[:depth] * discounts).sum() / (best[:depth] * discounts).sum())


def reciprocal_rank(ranked_K: Ranked, depth: int) -> float:
    """Returns 1 over the rank of the first relevant candidate; 0 where it stands below `depth`."""
    first = int(np.argmax(ranked_K > 0))
    return 1 / (first + 1) if first < depth else 0.0


def average_precision(ranked_K: Ranked) -> float:
    """Returns the mean precision at the ranks of the relevant candidates."""
    ranks = np.flatnonzero(ranked_K > 0) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


def recall(ranked_K: Ranked, depth: int) -> float:
    """Returns the share of the relevant candidates that stand among the first."""
    return float((ranked_K[:depth] > 0).sum() / (ranked_K > 0).sum())


NUMBERS: dict[str, Callable[[Ranked], float]] = {
    "ndcg@10": lambda ranked_K: ndcg(ranked_K, 10),
    "mrr@10": lambda ranked_K: reciprocal_rank(ranked_K, 10),
    "map": average_precision,
    "recall@10": lambda ranked_K: recall(ranked_K, 10),
}
"""Name of a metric -> what it gives one query that has a relevant candidate."""

_LISTS = datasets.Features(
    {"predictions": datasets.List(datasets.Value("float64")), "references": datasets.List(datasets.Value("float64"))}
)


class _RankingMetric(ArrayMetric):
    """The mean of a number over the queries that have a relevant candidate."""

    inputs_text = """
Args:
    predictions: the scores of each query's candidates, lists of numbers.
    references: their relevances, 0 being none.
"""
    input_features = (_LISTS,)
    key: str

    def _compute(self, predictions: Sequence[Any], references: Sequence[Any]) -> Scores:
        self.notes = {}
        both = zip(predictions, references, strict=True)
        pairs = [(np.asarray(scores, float), np.asarray(relevances, float)) for scores, relevances in both]
        values = [NUMBERS[self.key](ranked(*pair)) for pair in pairs if (pair[1] > 0).any()]
        if not values:
            return self._undefined((self.key,), "no query has a relevant candidate")
        if len(values) < len(pairs):
            self.notes[self.key] = f"{len(pairs) - len(values):,} of {len(pairs):,} queries have no relevant candidate"
        return self._finite({self.key: float(np.mean(values))})


class Ndcg(_RankingMetric):
    """NDCG of the first ten."""

    key = "ndcg@10"
    description_text = "The discounted gain of the first ten candidates over that of the best order."
    citation_text = "Järvelin and Kekäläinen (2002), 10.1145/582415.582418."


class Mrr(_RankingMetric):
    """MRR of the first ten."""

    key = "mrr@10"
    description_text = "The mean of 1 / rank of the first relevant candidate, 0 below the tenth."
    citation_text = "Voorhees (1999), The TREC-8 Question Answering Track Report."


class MeanAveragePrecision(_RankingMetric):
    """MAP over all candidates."""

    key = "map"
    description_text = "The mean over queries of the mean precision at the ranks of relevant candidates."
    citation_text = "Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, section 8.4."


class Recall(_RankingMetric):
    """Recall of the first ten."""

    key = "recall@10"
    description_text = "The share of relevant candidates that stand among the first ten."
    citation_text = "Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, section 8.4."


class ChoiceAccuracy(ArrayMetric):
    """The share of questions whose right choice was chosen."""

    inputs_text = """
Args:
    predictions: positions of the chosen candidates (N,).
    references: positions of the right ones (N,).
"""
    input_features = (
        datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
    )
    description_text = "The share of questions that were answered right."
    citation_text = "Richardson, Burges and Renshaw (2013), D13-1020."

    def _compute(self, predictions: Any, references: Any) -> Scores:
        self.notes = {}
        if not len(references):
            return self._undefined(("accuracy",), "there are no questions")
        return self._finite({"accuracy": float(np.mean(np.asarray(predictions) == np.asarray(references)))})
