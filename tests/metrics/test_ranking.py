import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from ftkit.errors import ConfigError, DataError
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.ranking import average_precision, ndcg, ranked, recall, reciprocal_rank
from ftkit.metrics.scorer import make_scorer

RANKING = GROUPS["text-ranking"]


def test_known_values() -> None:
    """The example of Järvelin and Kekäläinen's measure that textbooks use: relevances 3 2 3 0 1 2."""
    ranked_K = np.array([3, 2, 3, 0, 1, 2.0])
    gain = 3 + 2 / math.log2(3) + 3 / 2 + 1 / math.log2(6) + 2 / math.log2(7)
    best = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert ndcg(ranked_K, 10) == pytest.approx(gain / best)
    assert ndcg(ranked_K, 1) == 1.0
    assert reciprocal_rank(np.array([0, 0, 1, 1]), 10) == pytest.approx(1 / 3)
    assert reciprocal_rank(np.array([0, 0, 1, 1]), 2) == 0
    assert average_precision(np.array([1, 0, 1, 0, 0])) == pytest.approx((1 + 2 / 3) / 2)
    assert recall(np.array([1, 0, 1, 1]), 2) == pytest.approx(1 / 3)


def test_they_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 5, 30):
        for _ in range(20):
            relevances, scores = rng.integers(0, 4, size).astype(float), rng.permutation(size) / size
            relevances[0] = 1
            ranked_K = ranked(scores, relevances)
            assert ndcg(ranked_K, 10) == pytest.approx(ndcg_score([relevances], [scores], k=10))
            assert average_precision(ranked_K) == pytest.approx(average_precision_score(relevances > 0, scores))


def test_equal_scores_gain_nothing_from_the_order_of_the_file() -> None:
    assert ranked(np.zeros(3), np.array([2, 0, 1.0])).tolist() == [0, 1, 2]


def test_queries_without_a_relevant_candidate_do_not_count() -> None:
    scorer = make_scorer(["ndcg@10", "mrr@10", "map", "recall@10"], RANKING)
    scores = [np.array([0.9, 0.1]), np.array([0.5, 0.6, 0.7])]
    found = scorer.compute(scores, [np.array([0.0, 1.0]), np.zeros(3)])
    assert found == pytest.approx({"ndcg@10": 1 / math.log2(3), "mrr@10": 0.5, "map": 0.5, "recall@10": 1.0})
    assert scorer.notes["mrr@10"] == "1 of 2 queries have no relevant candidate"
    assert scorer.compute(scores[1:], [np.zeros(3)])["map"] is None
    assert scorer.notes["map"] == "no query has a relevant candidate"


def test_a_score_for_each_candidate() -> None:
    with pytest.raises(DataError, match="expected a score for each candidate"):
        make_scorer(["map"], RANKING).compute([np.zeros(2)], [np.zeros(3)])


def test_choices() -> None:
    scorer = make_scorer(["accuracy"], GROUPS["multiple-choice"])
    assert scorer.compute([0, 1, 3, 2], [0, 1, 2, 2]) == {"accuracy": 0.75}
    with pytest.raises(ConfigError, match="f1"):
        make_scorer(["f1"], GROUPS["multiple-choice"])
