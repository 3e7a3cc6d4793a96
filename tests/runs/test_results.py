"""What `all_results.json` and the screen say of what was read, cut and scored."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from ftkit.adapters.rows import Encoded
from ftkit.engine.evaluation import Evaluation
from ftkit.runs.results import collect_results, cut_off_warnings, truncation_warnings
from ftkit.types import Split, TextExample

NOTHING = np.array([])


def rows(count: int, **cut: int) -> Encoded:
    return Encoded([{}] * count, np.ones(count, np.int64), cut=cut)


def scored(**metrics: Any) -> Evaluation:
    return Evaluation(metrics, NOTHING, NOTHING, None)


def results_of(encoded: Mapping[str, Encoded], evaluated: Mapping[str, Evaluation]) -> dict[str, Any]:
    splits = {
        name: Split(name, f"{name}.csv", [TextExample(id=0, text="a")] * len(part), fingerprint=f"f-{name}")
        for name, part in encoded.items()
    }
    return collect_results({"train_loss": 0.5}, splits, encoded, evaluated)


def test_results_are_flat_and_named_as_the_ecosystem_names_them() -> None:
    encoded = {"train": rows(8, input=2), "validation": rows(4, input=0), "test": rows(2, input=1)}
    found = results_of(encoded, {"validation": scored(loss=0.25, accuracy=1.0), "test": scored(loss=0.75)})
    assert found.pop("environment")["packages"]["transformers"]
    assert found == {
        "train_loss": 0.5,
        "train_samples": 8,
        "train_truncated_samples": 2,
        "eval_loss": 0.25,
        "eval_accuracy": 1.0,
        "eval_samples": 4,
        "eval_truncated_samples": 0,
        "test_loss": 0.75,
        "test_samples": 2,
        "test_truncated_samples": 1,
        "data": {
            "train": {"source": "train.csv", "rows": 8, "fingerprint": "f-train"},
            "validation": {"source": "validation.csv", "rows": 4, "fingerprint": "f-validation"},
            "test": {"source": "test.csv", "rows": 2, "fingerprint": "f-test"},
        },
    }


def test_both_sides_of_a_pair_have_their_share() -> None:
    found = results_of({"train": rows(8, source=2, target=1), "test": rows(4, source=1)}, {"test": scored()})
    assert found["train_truncated_samples"] == 2, "of what is read"
    assert found["train_truncated_sources_share"] == 0.25
    assert found["train_truncated_targets_share"] == 0.125
    assert found["test_truncated_sources_share"] == 0.25
    assert "test_truncated_targets_share" not in found


def test_what_was_cut_is_told_split_by_split_in_the_preprocessor_s_words() -> None:
    says: Any = SimpleNamespace(cut_meanings={"source": "too long and was cut", "target": "cut in its target"})
    encoded = {"train": rows(2_000, source=500, target=3), "test": rows(10, source=0)}
    assert truncation_warnings(encoded, says) == [
        "25.0% of train (500 rows) is too long and was cut.",
        "0.1% of train (3 rows) is cut in its target.",
    ]


def test_written_texts_that_did_not_end_are_told() -> None:
    evaluated = {"validation": scored(cut_off_share=0.125), "test": scored(cut_off_share=0.0), "more": scored()}
    assert cut_off_warnings(evaluated) == [
        "12.5% of the texts written for validation did not end within generation.max_new_tokens and were cut off."
    ]
