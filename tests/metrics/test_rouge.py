"""ROUGE: rouge-score's numbers where that reads a text, and sound ones in every other script."""

from __future__ import annotations

import itertools
import random

import pytest

from ftkit.metrics.groups import GROUPS
from ftkit.metrics.rouge import KEYS, lead, novel_share, rouge, sentences, signature, words
from ftkit.metrics.scorer import make_scorer

TEXTS = (
    "The cat sat on the mat. It was a grey cat, and the mat was red.",
    "A grey cat sat on a red mat.",
    "The mat! Was the cat on it? It was 3.5 m long.\nNobody knew.",
    "the the the cat the",
    "Nothing of that kind",
    "",
)


def test_it_is_rouge_score_s_on_ascii() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(list(KEYS), use_stemmer=False)
    generator = random.Random(0)
    vocabulary = ["a", "b", "c", "d", "e", "the", "cat"]
    made = [
        "\n".join(" ".join(generator.choices(vocabulary, k=generator.randrange(1, 9))) for _ in range(lines))
        for lines in (1, 2, 3, 4) * 12
    ]
    pairs = [*((one, other) for one in TEXTS for other in TEXTS), *itertools.pairwise(made)]
    for prediction, reference in pairs:
        ours = rouge(prediction, [reference])
        # It splits at line breaks alone, or by a package that downloads: the sentences are given to it.
        theirs = scorer.score("\n".join(sentences(reference)), "\n".join(sentences(prediction)))
        for key in KEYS:
            assert getattr(ours, key) == pytest.approx(theirs[key].fmeasure, abs=1e-9), (key, prediction, reference)


def test_several_references_are_as_rouge_score_takes_the_best() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(list(KEYS), use_stemmer=False)
    references = [TEXTS[1], TEXTS[3], TEXTS[4]]
    theirs = scorer.score_multi(references, TEXTS[0].replace("\n", " "))
    best, mean = rouge(TEXTS[0], references), rouge(TEXTS[0], references, "mean")
    for key in ("rouge1", "rouge2", "rougeL"):
        assert getattr(best, key) == pytest.approx(theirs[key].fmeasure, abs=1e-9)
        assert getattr(mean, key) == pytest.approx(sum(getattr(rouge(TEXTS[0], [one]), key) for one in references) / 3)


@pytest.mark.parametrize(
    "text", ["雨が降る。", "이것은 고양이다", "это кошка", "यह एक बिल्ली है", "นี่คือแมว", "Žluťoučký kůň", "هذه قطة"]
)
def test_what_is_the_same_is_right_in_every_script(text: str) -> None:
    assert rouge(text, [text])[:1] == (1.0,)
    assert rouge(text, ["entirely different"]) == (0.0,) * 4
    assert words(text)


def test_values_by_hand() -> None:
    assert rouge("the cat sat", ["the cat sat down"]).rouge1 == pytest.approx(6 / 7)
    assert rouge("雨が降った", ["雨が降る"]).rouge1 == pytest.approx(2 * (3 / 5) * (3 / 4) / (3 / 5 + 3 / 4))
    assert rouge("a c b", ["a b c"]).rougeL == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't panic: 東京 is_big.", ["don", "t", "panic", "東", "京", "is", "big"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("हिन्दी ١٢٣", ["हिन्दी", "١٢٣"]),
        ("!?", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.5 m, e.g. long. Why? It is.", ["It is 3.5 m, e.g. long.", "Why?", "It is."]),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
        ("雨が降る。「はい。」次です。", ["雨が降る。", "「はい。」", "次です。"]),
        ("One. Two.\nThree", ["One. Two.", "Three"]),
        ("  ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
    assert lead(text, 1) == (expected[0] if expected else "")


def test_the_share_of_new_pairs_of_words() -> None:
    assert novel_share("a cat sat down", "a cat sat") == pytest.approx(1 / 3)
    assert novel_share("a cat", "A cat.") == 0
    assert novel_share("cat", "a cat") is None


def test_the_scorer_names_how_it_counted() -> None:
    predictions, references = ["a cat sat", "it rains"], [("a cat", "a cat sat down"), "it pours"]
    for how in ("max", "mean"):
        scorer = make_scorer(["rouge", "chrf++"], GROUPS["summarization"], options={"rouge_references": how})
        found = scorer.compute(predictions, references)
        assert found["rouge_signature"] == signature(how)  # type: ignore[arg-type]
        assert f"refs:{how}" in found["rouge_signature"]
        expected = [rouge(predictions[0], references[0], how), rouge(predictions[1], ["it pours"])]  # type: ignore[arg-type]
        assert found["rouge1"] == pytest.approx(sum(score.rouge1 for score in expected) / 2)
        assert set(scorer.keys) == {*KEYS, "chrf++"}
