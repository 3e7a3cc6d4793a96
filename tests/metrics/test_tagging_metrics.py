"""Entity scores: worked by hand, and equal to seqeval itself."""

from __future__ import annotations

import json
import math
import random
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import seqeval.metrics
from seqeval.scheme import BILOU, IOB2, IOBES

from ftkit.adapters.tag import ragged
from ftkit.errors import ConfigError
from ftkit.metrics import DEFAULT_METRICS, METRICS, PRIMARY_METRIC, available_keys, check_metric_names, metric_class
from ftkit.metrics.tagging import TagScorer
from ftkit.tag_schemes import Scheme, tag_names
from ftkit.types import LabelSpace

CASES = sorted((Path(__file__).parent / "tagging_cases").glob("*.json"))
NAMES = DEFAULT_METRICS["token-classification"]
THEIR_SCHEMES = {"IOB2": IOB2, "IOBES": IOBES, "BILOU": BILOU}


def ids(labels: LabelSpace, sentences: list[list[str]]) -> Any:
    import numpy as np

    return ragged(np.array([labels.index(tag) for tag in tags], np.int64) for tags in sentences)


def number(value: Any) -> Any:
    return pytest.approx(float(Fraction(value)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_hand_worked_numbers(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    labels = LabelSpace(tag_names(case["types"], case["scheme"]))
    scorer = TagScorer(NAMES, labels)
    references, predictions = ([text.split() for text in case[key]] for key in ("references", "predictions"))
    result = scorer.compute(ids(labels, predictions), ids(labels, references))
    assert result.pop("mode") == "strict"
    assert result.pop("scheme") == case["scheme"]
    per_label = result.pop("per_label")
    assert result == {key: number(value) for key, value in case["expected"].items()}
    assert per_label == {
        name: {key: number(value) for key, value in row.items()} for name, row in case["per_label"].items()
    }
    assert sorted(scorer.notes) == sorted(case.get("notes", []))


def test_there_are_cases() -> None:
    assert len(CASES) >= 4


def random_corpus(generator: random.Random, alphabet: tuple[str, ...]) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences and predictions that agree on most words, as a model's do; nothing keeps them legal."""
    references, predictions = [], []
    for _ in range(generator.randint(1, 12)):
        tags = [generator.choice(alphabet) for _ in range(generator.randint(1, 10))]
        references.append(tags)
        predictions.append([tag if generator.random() < 0.7 else generator.choice(alphabet) for tag in tags])
    return references, predictions


@pytest.mark.parametrize("scheme", THEIR_SCHEMES)
def test_equals_seqeval_on_thousands_of_random_sentences(scheme: Scheme) -> None:
    generator = random.Random(1)
    labels = LabelSpace(tag_names(("A", "B-c", "D"), scheme))
    scorer = TagScorer(NAMES, labels)
    for _ in range(250):
        references, predictions = random_corpus(generator, labels.names)
        result = scorer.compute(ids(labels, predictions), ids(labels, references))
        assert result["accuracy"] == pytest.approx(seqeval.metrics.accuracy_score(references, predictions))
        compare(result, "", references, predictions, {"mode": "strict", "scheme": THEIR_SCHEMES[scheme]})
        if scheme != "BILOU":  # whose L and U seqeval's default does not know
            compare(result, "conlleval_", references, predictions, {})


def compare(result: dict[str, Any], prefix: str, references: Any, predictions: Any, options: dict[str, Any]) -> None:
    for name in ("precision", "recall", "f1"):
        function = getattr(seqeval.metrics, f"{name}_score")
        for average, key in (("micro", f"{prefix}{name}"), ("macro", f"{prefix}{name}_macro")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = float(function(references, predictions, average=average, zero_division=0, **options))
            # With no entity at all seqeval's macro is the mean of nothing.
            assert result[key] == pytest.approx(0.0 if math.isnan(expected) else expected, abs=1e-12), key


def test_metric_classes_work_with_evaluate() -> None:
    predictions, references = [["I-A", "O", "B-A"]], [["B-A", "O", "B-A"]]
    strict = metric_class("seqeval")().compute(predictions=predictions, references=references)
    lenient = metric_class("conlleval")().compute(predictions=predictions, references=references)
    assert strict["recall"] == 0.5
    assert lenient["conlleval_recall"] == 1.0
    for name, result in (("seqeval", strict), ("conlleval", lenient)):
        assert tuple(result) == METRICS[name].keys["token-classification"]


def test_the_table_lists_exactly_the_keys_that_are_computed() -> None:
    labels = LabelSpace(tag_names(("A",), "IOB2"))
    scorer = TagScorer(NAMES, labels)
    one = ids(labels, [["B-A"]])
    result = scorer.compute(one, one)
    extra = {"mode", "scheme", "per_label"}
    assert set(result) - extra == set(available_keys(NAMES, "token-classification")) == set(scorer.keys)
    assert PRIMARY_METRIC["token-classification"] in scorer.keys
    assert TagScorer(["accuracy"], labels).compute(one, one) == {"accuracy": 1.0}
    assert TagScorer(["conlleval"], labels).compute(one, one)["mode"] == "conlleval"


def test_unsuited_metrics_are_refused() -> None:
    with pytest.raises(ConfigError, match="'roc_auc' is for .* but this task is token-classification"):
        check_metric_names(["roc_auc"], "token-classification")
    with pytest.raises(ConfigError, match="'seqeval' is for token-classification"):
        check_metric_names(["seqeval"], "single_label_classification")
