"""Metrics of a search by vectors: at which ranks anchors find their positives, and triplets in the right order.

A query is an anchor; equal anchors are one query. The candidates are the distinct positives and negatives of all rows.
Candidates of equal cosine are taken in the worst order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

from ftkit.metrics.array_metric import ArrayMetric, Scores

_AT_ONCE = 4_000_000  # cosines in memory at a time
DEPTH = 10


def ranks_of(vectors: Sequence[Any], texts: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the ranks of each query's positives, ascending, from 1; and the first row of each query.

    Example: two rows whose anchors are nearer to the other one's positive have the ranks [2] and [2].

    Args:
        vectors: of each row's texts, anchor, positive, negatives: (N,) of (K, D), all dense or all sparse.
        texts: what tells equal texts from others, (N,) of (K,).
    """
    places = np.concatenate([np.arange(len(of_row)) for of_row in texts])
    hashes, units = np.concatenate(list(texts)), _units(vectors)
    queries, query_of = np.unique(hashes[places == 0], return_inverse=True)
    firsts = np.full(len(queries), len(texts))
    np.minimum.at(firsts, query_of, np.arange(len(texts)))
    candidates, candidate_places = np.unique(hashes[places > 0], return_index=True)
    positives = np.searchsorted(candidates, hashes[places == 1])
    wanted = [np.unique(part) for part in _by_query(positives, query_of, len(queries))]
    asked, offered = units[np.flatnonzero(places == 0)[firsts]], units[np.flatnonzero(places > 0)[candidate_places]]
    ranks: list[np.ndarray] = []
    step = max(1, _AT_ONCE // max(len(candidates), 1))
    for start in range(0, len(queries), step):
        cosines_QC = _product(asked[start : start + step], offered)
        for query, cosines_C in enumerate(cosines_QC, start):
            ranks.append(_ranks(cosines_C, wanted[query], candidates == queries[query]))
    return ranks, firsts


def _ranks(cosines_C: np.ndarray, wanted: np.ndarray, is_query_C: np.ndarray) -> np.ndarray:
    """Returns the ranks of some candidates, of equal cosines the last one; the query's own text is no candidate."""
    is_other_C = ~is_query_C
    is_other_C[wanted] = False
    others = np.sort(cosines_C[is_other_C])
    found = np.sort(cosines_C[wanted])[::-1]
    return len(others) - np.searchsorted(others, found, side="left") + np.arange(1, len(found) + 1)


def margins_of(vectors: Sequence[Any]) -> np.ndarray:
    """Returns by how much each row's positive is nearer to its anchor than the nearest negative, (N,).

    NaN of rows without a negative.
    """
    margins = np.full(len(vectors), np.nan)
    for row, of_row in enumerate(vectors):
        if of_row.shape[0] > 2:
            units = _units([of_row])
            cosines = _product(units[:1], units[1:])[0]
            margins[row] = cosines[0] - cosines[1:].max()
    return margins


def _by_query(values: np.ndarray, query_of: np.ndarray, num_queries: int) -> list[np.ndarray]:
    order = np.argsort(query_of, kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(query_of, minlength=num_queries))[:-1])


def _units(vectors: Sequence[Any]) -> Any:
    """Returns the vectors of all rows below one another, with a length of 1."""
    if isinstance(vectors[0], np.ndarray):
        stacked = np.concatenate(list(vectors)).astype(np.float64)
        return stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12)
    from scipy.sparse import vstack
    from sklearn.preprocessing import normalize

    return normalize(vstack(list(vectors)).tocsr())


def _product(some: Any, others: Any) -> np.ndarray:
    found = some @ others.T
    return found if isinstance(found, np.ndarray) else found.toarray()


# --- metrics ------------------------------------------------------------------------------------------------


def accuracy_at_1(ranks: np.ndarray) -> float:
    """Returns 1 where the nearest candidate is right, else 0."""
    return float(ranks[0] == 1)


def reciprocal_rank(ranks: np.ndarray) -> float:
    """Returns 1 over the rank of the first right candidate; 0 below the tenth."""
    return 1 / float(ranks[0]) if ranks[0] <= DEPTH else 0.0


def ndcg(ranks: np.ndarray) -> float:
    """Returns the discounted gain of the first ten over the best there could be."""
    best = np.arange(1, min(DEPTH, len(ranks)) + 1)
    return float((1 / np.log2(ranks[ranks <= DEPTH] + 1)).sum() / (1 / np.log2(best + 1)).sum())


def recall(ranks: np.ndarray) -> float:
    """Returns the share of the right candidates among the first ten."""
    return float((ranks <= DEPTH).mean())


NUMBERS = {"accuracy@1": accuracy_at_1, "mrr@10": reciprocal_rank, "ndcg@10": ndcg, "recall@10": recall}
"""Name of a metric -> what it gives one query."""


class _SearchMetric(ArrayMetric):
    """The mean of a number over queries."""

    inputs_text = """
Args:
    ranks: the ranks of each query's right candidates, ascending, lists of numbers.
"""
    input_features = (datasets.Features({"ranks": datasets.List(datasets.Value("int64"))}),)
    key: str

    def _compute(self, ranks: Sequence[Any]) -> Scores:
        self.notes = {}
        if not len(ranks):
            return self._undefined((self.key,), "there are no rows")
        return self._finite(
            {self.key: float(np.mean([NUMBERS[self.key](np.asarray(of_query)) for of_query in ranks]))}
        )


class AccuracyAt1(_SearchMetric):
    """The share of queries whose nearest candidate is right."""

    key = "accuracy@1"
    description_text = "The share of anchors whose nearest candidate is one of their positives."
    citation_text = "Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, section 8.4."


class Mrr(_SearchMetric):
    """MRR of the first ten."""

    key = "mrr@10"
    description_text = "The mean of 1 / rank of the first right candidate, 0 below the tenth."
    citation_text = "Voorhees (1999), The TREC-8 Question Answering Track Report."


class Ndcg(_SearchMetric):
    """NDCG of the first ten."""

    key = "ndcg@10"
    description_text = "The discounted gain of the first ten candidates over that of the best order."
    citation_text = "Järvelin and Kekäläinen (2002), 10.1145/582415.582418."


class Recall(_SearchMetric):
    """Recall of the first ten."""

    key = "recall@10"
    description_text = "The share of the right candidates that stand among the first ten."
    citation_text = "Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, section 8.4."


class TripletAccuracy(ArrayMetric):
    """The share of rows whose positive is nearer than every negative."""

    inputs_text = """
Args:
    margins: by how much the positive of each row is nearer than its nearest negative (N,); NaN without a negative.
"""
    input_features = (datasets.Features({"margins": datasets.Value("float64")}),)
    description_text = "The share of triplets whose positive is nearer to the anchor than the negatives."
    citation_text = "Dor et al. (2018), P18-2009."

    def _compute(self, margins: Any) -> Scores:
        self.notes = {}
        known = np.asarray(margins, float)
        known = known[~np.isnan(known)]
        if not len(known):
            return self._undefined(("triplet_accuracy",), "no row has a negative")
        return self._finite({"triplet_accuracy": float(np.mean(known > 0))})
