"""Simple methods beside a model: the score by the same metric, and a word where the model is no better."""

from __future__ import annotations

import numpy as np
import pytest

from ftkit.engine.evaluation import Evaluation
from ftkit.kinds.table import find_kind
from ftkit.metrics.scorer import make_scorer
from ftkit.runs.baselines import baseline_scores, unbeaten_warnings
from ftkit.types import CandidatesExample, Split

NOTHING = np.zeros(0)


def test_a_ranking_has_bm25_beside_it() -> None:
    kind = find_kind("text-ranking")
    examples = [CandidatesExample(0, "rain", ("card", "rain"), relevances=(0, 1))]
    split = Split("test", "a.jsonl", examples)
    scorer = make_scorer(["mrr@10"], kind.metric_group(kind.task, None))  # type: ignore[arg-type]
    assert baseline_scores(kind, scorer, "mrr@10", None, split, [np.array([0.0, 1.0])]) == {"baseline_bm25": 1.0}
    assert baseline_scores(find_kind("translation"), scorer, "mrr@10", None, split, []) == {}


@pytest.mark.parametrize(
    ("metric", "score", "other", "is_told"),
    [("accuracy", 0.5, 0.4, False), ("accuracy", 0.4, 0.4, True), ("mse", 0.5, 0.4, True), ("mse", 0.3, 0.4, False)],
)
def test_a_model_that_beats_nothing_is_told(metric: str, score: float, other: float, is_told: bool) -> None:
    found = Evaluation({metric: score, "baseline_mean": other}, NOTHING, NOTHING)
    told = unbeaten_warnings({"test": found}, metric)
    assert bool(told) == is_told
    if told:
        assert told == [
            f"test: the model's {metric} is {score:.4f}, and mean alone gives {other:.4f}. A model that does not beat "
            "it is of no use yet."
        ]
