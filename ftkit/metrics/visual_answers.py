"""Exact match of short answers about images, by the normalization of VQA.

Antol et al. (2015), 1505.00468, compare answers after a normalization whose official code is in the evaluation tools
of the data set. What is done here: white space joined, small letters, punctuation dropped (within numbers kept),
words for 0 to 10 as digits, the articles a, an and the dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import datasets

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.translation import texts_of

SIGNATURE = "case:lc|punct:dropped|numbers:digits|articles:dropped|refs:any"

_NUMBERS = {
    **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"},
    **{"seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = re.compile(r"[^\w\s.,]|_")
_TEXT = datasets.Value("string")


def normalized(answer: str) -> str:
    """Returns an answer as it is compared.

    Example: "The two dogs." is "2 dogs", "1,000" is "1000" and "3.5" stays "3.5".
    """
    text = " ".join(answer.lower().replace("'", "").split())
    text = re.sub(r"(?<=\d),(?=\d)", "", text)
    text = _PUNCTUATION.sub(" ", text)
    text = re.sub(r"[.,](?!\d)|(?<!\d)[.,]", " ", text)
    words = (_NUMBERS.get(word, word) for word in text.split())
    return " ".join(word for word in words if word not in _ARTICLES)


class VqaExactMatch(ArrayMetric):
    """The share of answers that are one of those expected, after VQA's normalization."""

    description_text = "From 0 to 1."
    citation_text = "Antol et al. (2015), 1505.00468."
    inputs_text = """
Args:
    predictions: texts.
    references: as many texts; where a row has several, they are a tuple.
"""
    input_features = (datasets.Features({"predictions": _TEXT, "references": _TEXT}),)

    def _compute(self, predictions: Sequence[str], references: Sequence[str | tuple[str, ...]]) -> Scores:
        self.notes = {}
        self.details = {"exact_match_signature": SIGNATURE}
        if not predictions:
            return self._undefined(("exact_match",), "there are no rows")
        pairs = zip(predictions, references, strict=True)
        hits = sum(normalized(text) in set(map(normalized, texts_of(expected))) for text, expected in pairs)
        return {"exact_match": hits / len(predictions)}
