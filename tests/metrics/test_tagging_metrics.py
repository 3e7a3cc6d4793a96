"""Entity scores: worked by hand, counted naively over thousands of random sentences, and their invariants."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import seqeval.metrics

from ftkit.adapters.objectives.tags import ragged
from ftkit.errors import ConfigError
from ftkit.metrics.checks import available_keys, check_metric_names
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.table import find_metric
from ftkit.metrics.tagging import score_entities
from ftkit.own_code import find_own
from ftkit.tag_schemes import SCHEMES, Entity, Scheme, tag_names, tags_of
from ftkit.types import LabelSpace

CASES = sorted((Path(__file__).parent / "tagging_cases").glob("*.json"))
GROUP = GROUPS["token-classification"]
NAMES = GROUP.defaults
TYPES = ("A", "B-c", "-LRB-")


def ids(labels: LabelSpace, sentences: list[list[str]]) -> Any:
    import numpy as np

    return ragged(np.array([labels.index(tag) for tag in tags], np.int64) for tags in sentences)


def number(value: Any) -> Any:
    return pytest.approx(float(Fraction(value)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_hand_worked_numbers(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    labels = LabelSpace(tag_names(case["types"], case["scheme"]))
    scorer = make_scorer(NAMES, GROUP, labels=labels)
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
    json.dumps([result, per_label])  # plain numbers: they are written to all_results.json


def test_there_are_cases() -> None:
    assert len(CASES) >= 7


def random_corpus(generator: random.Random, alphabet: tuple[str, ...]) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences and predictions that agree on most words, as a model's do; nothing keeps them legal."""
    references, predictions = [], []
    for _ in range(generator.randint(1, 12)):
        tags = [generator.choice(alphabet) for _ in range(generator.randint(1, 10))]
        references.append(tags)
        predictions.append([tag if generator.random() < 0.7 else generator.choice(alphabet) for tag in tags])
    return references, predictions


# --- a naive count: every run of words is asked whether it is an entity -----------------------------------------


def strict_run(tags: Sequence[str], start: int, stop: int, label: str, scheme: Scheme) -> bool:
    """Whether the words `start` to `stop` are an entity by the definition of the scheme."""
    if scheme == "IOB1":
        tags = iob1_without_illegal(tags)
    run, after = list(tags[start:stop]), tags[stop] if stop < len(tags) else "O"
    inside, begin = f"I-{label}", f"B-{label}"
    before = tags[start - 1] if start else "O"
    if scheme in ("IOBES", "BILOU"):
        end, single = (f"{letter}-{label}" for letter in ("ES" if scheme == "IOBES" else "LU"))
        return run == ([single] if len(run) == 1 else [begin, *[inside] * (len(run) - 2), end])
    if set(run[1:]) - {inside} or after == inside:
        return False
    if scheme == "IOB2":
        return run[0] == begin
    return run[0] == begin or (run[0] == inside and before not in (inside, begin))


def iob1_without_illegal(tags: Sequence[str]) -> list[str]:
    """A B that follows no word of its type is O."""
    legal: list[str] = []
    for tag in tags:
        follows = bool(legal) and legal[-1][2:] == tag[2:]
        legal.append("O" if tag.startswith("B") and not follows else tag)
    return legal


def conlleval_run(tags: Sequence[str], start: int, stop: int, label: str) -> bool:
    """Whether conlleval begins an entity at `start`, and the next not before `stop`."""

    def begins(place: int) -> bool:
        if place == 0 or tags[place][0] in "BSU" or tags[place - 1][0] in "ESLU":
            return True
        return tags[place - 1][2:] != tags[place][2:]

    if any(tag[2:] != label for tag in tags[start:stop]):
        return False
    ends = stop == len(tags) or tags[stop] == "O" or begins(stop)
    return begins(start) and ends and not any(begins(place) for place in range(start + 1, stop))


def naive_scores(
    references: list[list[str]], predictions: list[list[str]], is_entity: Callable[..., bool]
) -> tuple[dict[str, Fraction], dict[str, dict[str, Any]]]:
    found: list[set[tuple[int, str, int, int]]] = [set(), set()]
    for side, sentences in zip(found, (references, predictions), strict=True):
        for row, tags in enumerate(sentences):
            for start in range(len(tags)):
                for stop in range(start + 1, len(tags) + 1):
                    side |= {(row, name, start, stop) for name in TYPES if is_entity(tags, start, stop, name)}
    expected, predicted = found
    hits, support, guesses = (Counter(entity[1] for entity in side) for side in (expected & predicted, *found))
    per_type = {
        name: {**prf(hits[name], guesses[name], support[name]), "support": support[name]}
        for name in sorted(support.keys() | guesses.keys())
    }
    micro = prf(hits.total(), guesses.total(), support.total())
    macro = {
        f"{key}_macro": sum((row[key] for row in per_type.values()), Fraction()) / max(1, len(per_type))
        for key in micro
    }
    return micro | macro, per_type


def prf(hits: int, predicted: int, expected: int) -> dict[str, Fraction]:
    return {
        "precision": Fraction(hits, predicted or 1),
        "recall": Fraction(hits, expected or 1),
        "f1": Fraction(2 * hits, predicted + expected or 1),
    }


@pytest.mark.parametrize("mode", ["strict", "conlleval"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_equals_a_naive_count_on_thousands_of_random_sentences(scheme: Scheme, mode: str) -> None:
    generator = random.Random(1)
    alphabet = tag_names(TYPES, scheme)
    for _ in range(200):
        references, predictions = random_corpus(generator, alphabet)

        def is_entity(tags: Sequence[str], start: int, stop: int, label: str) -> bool:
            if mode == "strict":
                return strict_run(tags, start, stop, label, scheme)
            return conlleval_run(tags, start, stop, label)

        overall, per_type = naive_scores(references, predictions, is_entity)
        found = score_entities(references, predictions, scheme if mode == "strict" else None)
        assert found.overall == {key: number(value) for key, value in overall.items()}
        assert found.per_type == {
            name: {key: number(value) for key, value in row.items()} for name, row in per_type.items()
        }
        assert found.support == sum(row["support"] for row in per_type.values())


def test_accuracy_equals_seqevals() -> None:
    generator = random.Random(2)
    labels = LabelSpace(tag_names(TYPES, "IOBES"))
    scorer = make_scorer(["accuracy"], GROUP, labels=labels)
    for _ in range(50):
        references, predictions = random_corpus(generator, labels.names)
        result = scorer.compute(ids(labels, predictions), ids(labels, references))
        assert result == {"accuracy": pytest.approx(seqeval.metrics.accuracy_score(references, predictions))}


# --- invariants -------------------------------------------------------------------------------------------------


def random_entities(generator: random.Random) -> list[Entity]:
    """Entities of a sentence of 12 words, none touching another: all schemes can write them."""
    entities, place = [], 0
    while (start := place + generator.randint(0, 3)) < 12:
        stop = min(12, start + generator.randint(1, 3))
        entities.append(Entity(generator.choice(TYPES), start, stop))
        place = stop + 1
    return entities


def test_the_same_entities_score_the_same_in_every_scheme_and_mode() -> None:
    generator = random.Random(3)
    for _ in range(50):
        expected, predicted = ([random_entities(generator) for _ in range(8)] for _ in range(2))
        predicted = [one if generator.random() < 0.6 else two for one, two in zip(expected, predicted, strict=True)]
        scores = []
        for scheme in SCHEMES:
            sides = [[tags_of(entities, 12, scheme) for entities in side] for side in (expected, predicted)]
            scores += [score_entities(sides[0], sides[1], mode) for mode in (scheme, None)]
        assert scores[0].support == sum(len(entities) for entities in expected)
        for other in scores[1:]:
            assert other.overall == pytest.approx(scores[0].overall)
            assert other.per_type == scores[0].per_type


@pytest.mark.parametrize("scheme", [*SCHEMES, None])
def test_exchanging_the_sides_exchanges_precision_and_recall(scheme: Scheme | None) -> None:
    generator = random.Random(4)
    for _ in range(30):
        references, predictions = random_corpus(generator, tag_names(TYPES, scheme or "IOBES"))
        one, other = (
            score_entities(*sides, scheme).overall for sides in ((references, predictions), (predictions, references))
        )
        for suffix in ("", "_macro"):
            assert one[f"precision{suffix}"] == pytest.approx(other[f"recall{suffix}"])
            assert one[f"f1{suffix}"] == pytest.approx(other[f"f1{suffix}"])
        perfect = score_entities(references, references, scheme)
        assert set(perfect.overall.values()) == ({1.0} if perfect.support else {0.0})


def test_the_order_of_sentences_and_what_no_one_tagged_change_nothing() -> None:
    generator = random.Random(5)
    for _ in range(30):
        references, predictions = random_corpus(generator, tag_names(TYPES, "IOB2"))
        pairs = [*zip(references, predictions, strict=True), (["O"] * 5, ["O"] * 5), ([], [])]
        generator.shuffle(pairs)
        shuffled = [list(side) for side in zip(*pairs, strict=True)]
        for scheme in ("IOB2", None):
            found, other = score_entities(references, predictions, scheme), score_entities(*shuffled, scheme)
            assert found.overall == pytest.approx(other.overall)
            assert (found.per_type, found.support) == (other.per_type, other.support)


@pytest.mark.parametrize("scheme", ["IOB2", "IO", None])
def test_nothing_to_score(scheme: Scheme | None) -> None:
    for sentences in ([], [[]], [["O"]]):
        found = score_entities(sentences, sentences, scheme)
        assert set(found.overall.values()) == {0.0}
        assert (found.per_type, found.support) == ({}, 0)


@pytest.mark.parametrize("scheme", ["IOB2", "IOB1", None])
def test_sides_of_different_lengths_are_refused(scheme: Scheme | None) -> None:
    with pytest.raises(ValueError, match="inconsistent"):
        score_entities([["O", "O"]], [["O"]], scheme)
    with pytest.raises(ValueError, match="inconsistent"):
        score_entities([["O"], ["O"]], [["O"]], scheme)


def test_tags_outside_the_scheme_are_no_entity_where_strict() -> None:
    tags = [["E-A", "PER", "B-A", "S-A", "B", "ORG"]]
    assert score_entities(tags, tags, "IOB2").per_type.keys() == {"A", "_"}
    assert score_entities(tags, tags, "IOB2").support == 2
    assert score_entities(tags, tags, None).per_type.keys() == {"A", "_", "PER", "ORG"}


def test_seqeval_is_imported_only_to_compute() -> None:
    code = "import ftkit.metrics.tag_scorer, sys; assert not {'seqeval', 'sklearn', 'evaluate'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the table of metrics ---------------------------------------------------------------------------------------


def test_metric_classes_work_with_evaluate() -> None:
    predictions, references = [["I-A", "O", "B-A"]], [["B-A", "O", "B-A"]]
    entries = {name: find_metric(name, GROUP.name) for name in NAMES}
    results = {
        name: find_own(entry.reference)().compute(predictions=predictions, references=references)
        for name, entry in entries.items()
    }
    strict, lenient = results["seqeval"], results["conlleval"]
    assert strict["recall"] == 0.5
    assert lenient["conlleval_recall"] == 1.0
    assert results["accuracy"] == {"accuracy": 2 / 3}
    for name, result in results.items():
        assert tuple(result) == entries[name].keys


def test_the_table_lists_exactly_the_keys_that_are_computed() -> None:
    labels = LabelSpace(tag_names(("A",), "IOB2"))
    scorer = make_scorer(NAMES, GROUP, labels=labels)
    one = ids(labels, [["B-A"]])
    result = scorer.compute(one, one)
    extra = {"mode", "scheme", "per_label"}
    assert set(result) - extra == set(available_keys(NAMES, GROUP)) == set(scorer.keys)
    assert GROUP.primary in scorer.keys
    assert make_scorer(["accuracy"], GROUP, labels=labels).compute(one, one) == {"accuracy": 1.0}
    assert make_scorer(["conlleval"], GROUP, labels=labels).compute(one, one)["mode"] == "conlleval"


def test_unsuited_metrics_are_refused() -> None:
    with pytest.raises(ConfigError, match="'roc_auc' is for .* but this task is token-classification"):
        check_metric_names(["roc_auc"], GROUP)
    with pytest.raises(ConfigError, match="'seqeval' is for token-classification"):
        check_metric_names(["seqeval"], GROUPS["single_label_classification"])
