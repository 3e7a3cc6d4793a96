"""Metrics of language models: what losses and hits of tokens add up to, over all rows of a split."""

from __future__ import annotations

import math
from typing import ClassVar

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores

_TOTALS = "\nArgs:\n    sums over all rows, of which `items` is the number of tokens that bear loss.\n"
_NUMBER = datasets.Value("float64")


class Perplexity(ArrayMetric):
    """How many tokens the model wavers between: e to the power of its mean loss."""

    description_text = "exp(loss per token), from 1."
    citation_text = "Jelinek et al. (1977), J. Acoust. Soc. Am. 62(S1)."
    inputs_text = _TOTALS
    input_features = (datasets.Features({"loss": _NUMBER, "items": _NUMBER}),)

    def _compute(self, loss: float, items: float) -> Scores:
        self.notes = {}
        # Beyond that a float is infinite, as is what such a loss means.
        mean = loss / items
        return self._finite({"perplexity": math.exp(mean) if mean < 700 else math.inf})


class TokenAccuracy(ArrayMetric):
    """The share of tokens that the model finds likeliest."""

    description_text = "tokens that are the model's first choice, over tokens."
    citation_text = "Devlin et al. (2019), N19-1423."
    inputs_text = _TOTALS
    input_features = (datasets.Features({"num_first": _NUMBER, "items": _NUMBER}),)
    key: ClassVar[str] = "accuracy"

    def _compute(self, num_first: float, items: float) -> Scores:
        self.notes = {}
        return {self.key: num_first / items}


class NextTokenAccuracy(TokenAccuracy):
    """The same where answers have an accuracy of their own."""

    key = "token_accuracy"


class BitsPerByte(ArrayMetric):
    """The loss by what is read rather than by tokens: models with other vocabularies can be compared by it."""

    description_text = "loss / ln 2 / bytes: the bits that a byte of text takes when it is coded by the model."
    citation_text = "Gao et al. (2020), arXiv 2101.00027, section 3.1."
    inputs_text = _TOTALS
    input_features = (datasets.Features({"loss": _NUMBER, "bytes": _NUMBER}),)

    def _compute(self, loss: float, bytes: float) -> Scores:
        self.notes = {}
        if not bytes:
            return self._undefined(("bits_per_byte",), "no text bears loss")
        return self._finite({"bits_per_byte": loss / math.log(2) / bytes})


class TokenTop5Accuracy(ArrayMetric):
    """The share of tokens that are among the five likeliest."""

    description_text = "tokens that are among the model's first five choices, over tokens."
    citation_text = "Devlin et al. (2019), N19-1423."
    inputs_text = _TOTALS
    input_features = (datasets.Features({"num_in_5": _NUMBER, "items": _NUMBER}),)

    def _compute(self, num_in_5: float, items: float) -> Scores:
        self.notes = {}
        return {"top_5_accuracy": num_in_5 / items}
