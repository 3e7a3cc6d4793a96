from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ftkit.adapters.objectives.tags import ragged
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.types import LabelSpace

GROUP = GROUPS["plain-tags"]
LABELS = LabelSpace(("ADJ", "NOUN", "VERB", "X"))


def test_each_word_counts_by_itself() -> None:
    references, predictions = ragged(map(np.array, ([1, 2, 1], [0]))), ragged(map(np.array, ([1, 1, 1], [0])))
    found = make_scorer(GROUP.defaults, GROUP, labels=LABELS).compute(predictions, references)
    per_label = found.pop("per_label")
    flat = ([1, 2, 1, 0], [1, 1, 1, 0])
    assert found == {
        "accuracy": 0.75,
        "f1_macro": pytest.approx(f1_score(*flat, average="macro", zero_division=0)),
        "f1_weighted": pytest.approx(f1_score(*flat, average="weighted", zero_division=0)),
    }
    assert per_label["NOUN"] == {"precision": pytest.approx(2 / 3), "recall": 1.0, "f1": 0.8, "support": 2}
    assert per_label["X"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_no_words() -> None:
    scorer = make_scorer(GROUP.defaults, GROUP, labels=LABELS)
    found = scorer.compute(ragged([]), ragged([]))
    assert found == {"accuracy": None, "f1_macro": None, "f1_weighted": None, "per_label": {}}
    assert scorer.notes["f1_macro"] == "there are no words"
