"""Metrics of written texts as `evaluate.Metric` classes: `Bleu`, `ChrfPlusPlus`, `Ter` and `Rouge`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.rouge import References, mean_scores, rouge, signature
from ftkit.metrics.translation import reference_streams, sacrebleu_metric, texts_of

_TEXT = datasets.Value("string")


class _TextMetric(ArrayMetric):
    """A metric of written and expected texts. Its details are sacreBLEU's signature.

    Attributes:
        key: its name among ftkit's metrics.
    """

    inputs_text = """
Args:
    predictions: texts.
    references: as many texts; where a row has several, they are a tuple.
"""
    input_features = (datasets.Features({"predictions": _TEXT, "references": _TEXT}),)
    key: ClassVar[str]

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str | tuple[str, ...]], tokenizer: str = "13a"
    ) -> Scores:
        self.notes = {}
        metric = sacrebleu_metric(self.key, tokenizer)
        score = metric.corpus_score(list(predictions), reference_streams(references)).score
        self.details = {f"{self.key}_signature": str(metric.get_signature())}
        return self._finite({self.key: score})


class Bleu(_TextMetric):
    """Corpus BLEU of words, with the tokenizer that is asked for."""

    key = "bleu"
    description_text = "sacreBLEU, from 0 to 100."
    citation_text = "Papineni et al. (2002), P02-1040; Post (2018), W18-6319."


class ChrfPlusPlus(_TextMetric):
    """F-score of character 6-grams and word bigrams; it needs no tokenizer."""

    key = "chrf++"
    description_text = "chrF++, from 0 to 100."
    citation_text = "Popovic (2017), W17-4770."


class ExactMatch(ArrayMetric):
    """The share of texts that are exactly what was expected, white space at their ends aside."""

    description_text = "The share of texts that are the reference, from 0 to 1."
    citation_text = "Rajpurkar et al. (2016), D16-1264."
    inputs_text = _TextMetric.inputs_text
    input_features = _TextMetric.input_features

    def _compute(self, predictions: Sequence[str], references: Sequence[str | tuple[str, ...]]) -> Scores:
        self.notes = {}
        if not predictions:
            return self._undefined(("exact_match",), "there are no rows")
        pairs = zip(predictions, references, strict=True)
        hits = sum(text.strip() in map(str.strip, texts_of(expected)) for text, expected in pairs)
        return {"exact_match": hits / len(predictions)}


class Ter(_TextMetric):
    """Edits per word of the reference; lower is better."""

    key = "ter"
    description_text = "Translation edit rate: 0 is a perfect match."
    citation_text = "Snover et al. (2006), 2006.amta-papers.25."


class Rouge(ArrayMetric):
    """F-scores of n-grams and of longest common subsequences; the mean over rows."""

    description_text = "ROUGE-1, -2, -L and -Lsum, from 0 to 1."
    citation_text = "Lin (2004), W04-1013."
    inputs_text = _TextMetric.inputs_text
    input_features = _TextMetric.input_features

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str | tuple[str, ...]],
        rouge_references: References = "max",
    ) -> Scores:
        self.notes = {}
        self.details = {"rouge_signature": signature(rouge_references)}
        pairs = zip(predictions, references, strict=True)
        return self._finite(mean_scores([rouge(text, texts_of(ours), rouge_references) for text, ours in pairs]))
