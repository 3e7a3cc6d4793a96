"""Translation scores are sacreBLEU's own, with signature and tokenizer."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import sacrebleu

from ftkit.errors import ConfigError
from ftkit.metrics.checks import available_keys, greater_is_better, metric_names
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.table import find_metric
from ftkit.metrics.translation import bleu_tokenizer
from ftkit.own_code import find_own

GROUP = GROUPS["translation"]

REFERENCES = [
    "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
    "Ein Boston Terrier läuft über saftig-grünes Gras vor einem weißen Zaun.",
    "Fünf Leute in Winterjacken und mit Helmen stehen im Schnee.",
]
WRITTEN = [
    "Ein Mann mit orangefarbenem Hut, der etwas ANSTARRT.",
    "Ein Terrier läuft über grünes Gras vor einem weißen Zaun .",
    "Fünf Leute stehen im Schnee.",
]


def score(written: list[str], references: list[Any], **options: Any) -> dict[str, Any]:
    scorer = make_scorer(GROUP.defaults, GROUP, options={"target_lang": "de", **options})
    expected = np.empty(len(references), object)
    expected[:] = references
    return scorer.compute(np.array(written, object), expected)


def test_scores_are_those_of_sacrebleu() -> None:
    found = score(WRITTEN, REFERENCES)
    assert found["bleu"] == sacrebleu.corpus_bleu(WRITTEN, [REFERENCES]).score
    assert found["chrf++"] == sacrebleu.corpus_chrf(WRITTEN, [REFERENCES], word_order=2).score
    assert found["ter"] == sacrebleu.corpus_ter(WRITTEN, [REFERENCES]).score
    version = sacrebleu.__version__
    assert found["bleu_signature"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert found["chrf++_signature"] == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:{version}"
    assert found["bleu_tokenizer"] == "13a"
    assert available_keys(GROUP.defaults, GROUP) == ("bleu", "chrf++", "ter")


def test_rows_with_several_references_are_scored_by_all_of_them() -> None:
    others = ["Ein Mann, der einen orangefarbenen Hut trägt, starrt etwas an.", None, "Fünf Leute stehen im Schnee."]
    references: list[Any] = [
        text if other is None else (text, other) for text, other in zip(REFERENCES, others, strict=True)
    ]
    found = score(WRITTEN, references)
    assert (
        found["bleu"]
        == sacrebleu.corpus_bleu(WRITTEN, [REFERENCES, others]).score
        > score(WRITTEN, REFERENCES)["bleu"]
    )
    assert found["chrf++"] == sacrebleu.corpus_chrf(WRITTEN, [REFERENCES, others], word_order=2).score
    assert found["ter"] == sacrebleu.corpus_ter(WRITTEN, [REFERENCES, others]).score


def test_case_counts() -> None:
    lowered = [text.lower() for text in WRITTEN]
    assert score(lowered, REFERENCES)["bleu"] < score(WRITTEN, REFERENCES)["bleu"]


def test_chinese_is_counted_by_character() -> None:
    written, expected = ["我喜欢吃苹果和香蕉"], ["我喜欢吃苹果和橙子"]
    found = score(written, expected, target_lang="zho_Hans")
    assert found["bleu"] == sacrebleu.corpus_bleu(written, [expected], tokenize="zh").score
    assert "tok:zh" in found["bleu_signature"]


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        ("de", "13a"),
        ("de_DE", "13a"),
        ("deu_Latn", "13a"),
        (None, "13a"),
        ("zh", "zh"),
        ("zh_CN", "zh"),
        ("yue", "zh"),
    ],
)
def test_the_target_language_decides_on_the_tokenizer(language: str | None, tokenizer: str) -> None:
    assert bleu_tokenizer(language) == tokenizer
    assert bleu_tokenizer(language, "char") == "char"


@pytest.mark.parametrize(
    ("language", "module", "package"), [("ja", "MeCab", r"sacrebleu\[ja\]"), ("ko_KR", "mecab_ko", r"sacrebleu\[ko\]")]
)
def test_a_tokenizer_that_is_not_installed(language: str, module: str, package: str) -> None:
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(ConfigError, match=f"pip install '{package}'.*data.bleu_tokenizer"):
        bleu_tokenizer(language)


def test_an_unknown_tokenizer() -> None:
    with pytest.raises(ConfigError, match="no tokenizer '13b'. Did you mean '13a'"):
        bleu_tokenizer("de", "13b")


def test_primary_metric() -> None:
    assert GROUP.primary == "bleu"
    assert greater_is_better("bleu")
    assert greater_is_better("chrf++")
    assert not greater_is_better("ter")


@pytest.mark.parametrize("name", metric_names(GROUP))
def test_evaluate_metrics_give_the_same(name: str) -> None:
    entry = find_metric(name, GROUP.name)
    assert entry is not None
    found = find_own(entry.reference)().compute(predictions=WRITTEN, references=REFERENCES)
    assert found == {name: score(WRITTEN, REFERENCES)[name]}
