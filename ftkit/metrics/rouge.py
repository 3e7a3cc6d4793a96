"""ROUGE in every script (Lin 2004, W04-1013): overlaps of n-grams, and longest common subsequences, as F-scores.

On texts of ASCII the values are those of the package rouge-score without its stemmer, to the last digits. That package
drops every other letter: to it, a summary in Japanese or Russian is empty, and the score 0. Here a word is a run of
letters, their marks and digits of any script; of scripts that put no spaces between words each character is one.

A text is split into sentences for ROUGE-Lsum at its line breaks, or where it has none, behind what ends a sentence.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import regex

from ftkit.unspaced import RANGES

References = Literal["max", "mean"]
"""Of several references: the best one's F-score, or the mean of all."""

KEYS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_WORD = regex.compile(rf"[{RANGES}]|[\p{{L}}\p{{M}}\p{{N}}--[{RANGES}]]+", regex.V1)
# A full stop ends a sentence before a space and no small letter: not in 3.5 and e.g. these; 。！？ end one anywhere.
_END = regex.compile(r"""(?<=[.!?…]['"”’)\]]*)\s+(?!\p{Ll})|(?<=[。！？｡।؟]['"”’」』）]*)(?!['"”’」』）])""")
Tokens = tuple[str, ...]


class Rouge(NamedTuple):
    """F-scores, from 0 to 1."""

    rouge1: float
    rouge2: float
    rougeL: float
    rougeLsum: float


class _Text(NamedTuple):
    tokens: Tokens
    sentences: tuple[Tokens, ...]


def signature(references: References) -> str:
    """Returns how the values come about, to be named beside them."""
    return f"F1|case:lower|stem:no|tok:unicode-words,unspaced-chars|sent:lines-else-marks|refs:{references}"


def words(text: str) -> Tokens:
    """Returns the words of a text in small letters.

    Example: "Don't panic: 東京 is big." gives don, t, panic, 東, 京, is, big.
    """
    return tuple(_WORD.findall(unicodedata.normalize("NFC", text.lower())))


def sentences(text: str) -> list[str]:
    """Returns the sentences of a text: its lines, or where it has one alone, what ends in a full stop or the like.

    Example: "It is 3.5 m long. Why? 雨が降る。" gives "It is 3.5 m long.", "Why?" and "雨が降る。".
    """
    lines = text.splitlines() if len(text.splitlines()) > 1 else _END.split(text)
    return [line.strip() for line in lines if line.strip()]


@lru_cache(maxsize=20_000)
def _text(text: str) -> _Text:
    return _Text(words(text), tuple(map(words, sentences(text))))


def rouge(prediction: str, references: Sequence[str], how: References = "max") -> Rouge:
    """Returns the scores of one text.

    Example: "the cat sat" for "the cat sat down": ROUGE-1 has precision 3/3 and recall 3/4, an F-score of 6/7.

    Args:
        references: one text or more.
        how: what several of them give together; each score takes its own best one.
    """
    predicted = _text(prediction)
    found = [_score(predicted, _text(reference)) for reference in references]
    together: Callable[[Sequence[float]], float] = max if how == "max" else lambda values: sum(values) / len(values)
    return Rouge(*(together(values) for values in zip(*found, strict=True)))


def _score(predicted: _Text, expected: _Text) -> Rouge:
    return Rouge(
        _of_ngrams(predicted.tokens, expected.tokens, 1),
        _of_ngrams(predicted.tokens, expected.tokens, 2),
        _f_score(len(_common(expected.tokens, predicted.tokens)), len(predicted.tokens), len(expected.tokens)),
        _of_summaries(predicted.sentences, expected.sentences),
    )


def _f_score(hits: int, num_predicted: int, num_expected: int) -> float:
    """Returns the harmonic mean of precision and recall."""
    if not hits:
        return 0.0
    precision, recall = hits / max(num_predicted, 1), hits / max(num_expected, 1)
    return 2 * precision * recall / (precision + recall)


def ngrams(tokens: Tokens, size: int) -> Counter[Tokens]:
    """Returns how often each n-gram occurs."""
    return Counter(tokens[start : start + size] for start in range(len(tokens) - size + 1))


def _of_ngrams(predicted: Tokens, expected: Tokens, size: int) -> float:
    ours, theirs = ngrams(predicted, size), ngrams(expected, size)
    return _f_score((ours & theirs).total(), ours.total(), theirs.total())


def _common(expected: Tokens, predicted: Tokens) -> list[int]:
    """Returns where in the expected tokens their longest common subsequence with the predicted ones stands.

    Of several equally long ones it is the one that rouge-score finds, for ROUGE-Lsum depends on which.
    """
    rows = [[0] * (len(predicted) + 1)]
    for token in expected:
        above, row = rows[-1], [0]
        for column, other in enumerate(predicted):
            row.append(above[column] + 1 if token == other else max(above[column + 1], row[column]))
        rows.append(row)
    places, row_index, column = [], len(expected), len(predicted)
    while row_index and column:
        if expected[row_index - 1] == predicted[column - 1]:
            row_index, column = row_index - 1, column - 1
            places.append(row_index)
        elif rows[row_index][column - 1] > rows[row_index - 1][column]:
            column -= 1
        else:
            row_index -= 1
    return places[::-1]


def _of_summaries(predicted: Sequence[Tokens], expected: Sequence[Tokens]) -> float:
    """Returns ROUGE-Lsum: of each expected sentence the union of what it has in common with any predicted one."""
    left_ours, left_theirs = (Counter(token for line in text for token in line) for text in (predicted, expected))
    num_predicted, num_expected, hits = left_ours.total(), left_theirs.total(), 0
    for line in expected:
        places = {place for other in predicted for place in _common(line, other)}
        for token in (line[place] for place in sorted(places)):
            if left_ours[token] > 0 and left_theirs[token] > 0:
                hits += 1
                left_ours[token] -= 1
                left_theirs[token] -= 1
    return _f_score(hits, num_predicted, num_expected)


# --- beside the scores ---


def lead(text: str, num_sentences: int) -> str:
    """Returns the first sentences of a text: what a summarizer has to beat, above all of news."""
    return "\n".join(sentences(text)[:num_sentences])


def novel_share(prediction: str, source: str, size: int = 2) -> float | None:
    """Returns the share of a text's n-grams that are not in its source; None of a text without n-grams.

    Example: "a cat sat down" of "a cat sat" has one new pair of three: 1/3.
    """
    found = ngrams(_text(prediction).tokens, size)
    if not found:
        return None
    known = ngrams(words(source), size)
    return sum(count for gram, count in found.items() if gram not in known) / found.total()


def mean_scores(scores: Sequence[Rouge]) -> Mapping[str, float]:
    """Returns the mean of each score over rows."""
    return {key: sum(getattr(score, key) for score in scores) / len(scores) for key in KEYS}
