"""Exact match and F1 of answers: equal to SQuAD's official scripts on files, and of characters without spaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.errors import ConfigError
from ftkit.metrics.answers import (
    best_threshold,
    gains,
    normalized_characters,
    normalized_words,
    score_answer,
    words_of_language,
)
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.table import find_metric
from ftkit.types import PredictedAnswer

GROUP = GROUPS["question-answering"]
CASES = sorted((Path(__file__).parent / "answer_cases").glob("*.json"))


def answers_of(rows: Any, threshold: float) -> np.ndarray:
    found = np.empty(len(rows), object)
    for place, row in enumerate(rows):
        text = "" if row["no_answer"] > threshold else row["answer"]
        found[place] = PredictedAnswer(text, row["answer"], row["no_answer"])
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_the_official_scripts(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    scorer = make_scorer(GROUP.defaults, GROUP)
    found = scorer.compute(
        answers_of(case["rows"], case["threshold"]), [tuple(row["references"]) for row in case["rows"]]
    )
    expected = {key: value if key.endswith("_thresh") else value / 100 for key, value in case["expected"].items()}
    assert found == pytest.approx(expected, rel=1e-12), "the scripts print percentages"
    assert set(found) <= set(scorer.keys)


def test_there_are_cases_of_both_versions() -> None:
    assert {path.stem for path in CASES} >= {"squad_1", "squad_2"}


def test_the_keys_that_the_table_promises_are_those_that_are_computed() -> None:
    entry = find_metric("squad", GROUP.name)
    assert entry is not None
    rows = [{"answer": "a b", "no_answer": 0.2}, {"answer": "c", "no_answer": 0.9}]
    found = make_scorer(GROUP.defaults, GROUP).compute(answers_of(rows, 0.5), [("a b",), ()])
    assert set(found) == set(entry.keys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Ogród-Saski, a park", ["ogródsaski", "park"]),
        ("theatre and an anthem", ["theatre", "and", "anthem"]),
        ("U.S.", ["us"]),
        ("$2.50", ["250"]),
        ("the", []),
        ("“quoted”", ["“quoted”"]),  # the official scripts know ASCII's punctuation only
    ],
)
def test_what_squad_compares(text: str, words: list[str]) -> None:
    assert normalized_words(text) == words


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("《NBA》1950年", ["nba1950", "年"]),
        ("踢爆。", ["踢", "爆"]),
        ("東京 タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("กรุงเทพ", list("กรุงเทพ")),
        ("The cat", ["the", "cat"]),
    ],
)
def test_what_is_compared_without_spaces(text: str, parts: list[str]) -> None:
    assert normalized_characters(text) == parts


def test_characters_of_languages_without_spaces() -> None:
    scorer = make_scorer(GROUP.defaults, GROUP, options={"answer_language": "zh"})
    rows = [{"answer": "1950年代", "no_answer": 0.0}]
    found = scorer.compute(answers_of(rows, 1.0), [("1950年",)])
    # Three parts given, two expected, two shared: precision 2/3, recall 1.
    assert found == {"exact_match": 0.0, "f1": pytest.approx(0.8)}
    assert scorer.facts == {"answer_language": "zh"}  # type: ignore[attr-defined]
    assert words_of_language(None) is words_of_language("en") is normalized_words


def test_a_language_with_spaces_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.answer_language: 'de' is none of .*'zh', .* Leave it out"):
        make_scorer(GROUP.defaults, GROUP, options={"answer_language": "de"})


def test_each_metric_takes_its_best_reference() -> None:
    assert score_answer("a b c", ["b", "b c d", "a b c d e"], str.split) == (0.0, pytest.approx(0.75))
    assert score_answer("b", [], str.split) == (0.0, 0.0)


def test_the_smallest_threshold_of_the_best_score() -> None:
    added = gains([1.0, 0.5, 1.0], [True, True, True], [True, False, True])
    assert added == [1.0, -1.0, 1.0]
    assert best_threshold([0.1, 0.4, 0.9], added, 1) == (2.0, 0.1)
    assert best_threshold([0.1, 0.4], gains([0.0, 0.0], [False, True], [False, False]), 2) == (2.0, 0.0)


def test_an_external_metric_reads_texts(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def same(predictions, references):\n"
        "    return {'same': sum(one in many for one, many in zip(predictions, references)) / len(predictions)}\n"
    )
    scorer = make_scorer((f"{tmp_path / 'own.py'}:same",), GROUP)
    rows = [{"answer": "a", "no_answer": 0.9}, {"answer": "b", "no_answer": 0.1}]
    assert scorer.compute(answers_of(rows, 0.5), [(), ("c",)]) == {"same": 0.5}
