"""Exact match and F1 of answers, as SQuAD defines them, and the threshold at which no answer is the better answer.

Rajpurkar et al. (2016), D16-1264, and (2018), P18-2124. An answer is compared without case, punctuation, articles and
repeated spaces, word by word. In languages without spaces it is compared character by character, as MLQA does (Lewis
et al. 2020), with words of other scripts whole.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

LANGUAGES_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo"})
"""Codes of languages whose answers are compared by characters."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
# Han, kana, Thai, Lao, Tibetan, Myanmar, Khmer: written without spaces between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

Words = Callable[[str], list[str]]


class AnswerScore(NamedTuple):
    """How right one answer is, each from 0 to 1."""

    exact_match: float
    f1: float


def normalized_words(text: str) -> list[str]:
    """Returns the words that SQuAD compares.

    Example: `The  Ogród-Saski, a park` gives `ogródsaski` and `park`.
    """
    letters = "".join(letter for letter in text.lower() if letter not in _PUNCTUATION)
    return _ARTICLES.sub(" ", letters).split()


def normalized_characters(text: str) -> list[str]:
    """Returns what is compared in languages without spaces: characters of such scripts, and words of others.

    Example: `《NBA》1950年` gives `nba1950` and `年`.
    """
    letters = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
    return _UNSPACED.sub(lambda found: f" {found[0]} ", letters).split()


def _is_punctuation(letter: str) -> bool:
    return letter in _PUNCTUATION or unicodedata.category(letter).startswith("P")


def words_of_language(language: str | None) -> Words:
    """Returns what answers of a language are cut into; SQuAD's words where none is named."""
    return normalized_characters if language in LANGUAGES_WITHOUT_SPACES else normalized_words


def score_answer(answer: str, references: Sequence[str], words: Words, *, version: int = 1) -> AnswerScore:
    """Returns the best scores of an answer over references, each metric by itself.

    Example: `the park` against `a big park` and `garden`: exact match 0, precision 1/1, recall 1/2, F1 2/3.

    Args:
        answer: empty for no answer.
        references: none where the question has no answer.
        version: of SQuAD's definition, 1 or 2. They differ where nothing is left of an answer, such as of `The`: two
            such answers have an F1 of 0 in the first and of 1 in the second, which leaves such references out.
    """
    if version > 1:
        references = [text for text in references if words(text)] or [""]
    given = words(answer)
    scores = [_score(given, words(reference), version) for reference in references]
    return AnswerScore(
        max((score.exact_match for score in scores), default=0.0), max((score.f1 for score in scores), default=0.0)
    )


def _score(given: list[str], expected: list[str], version: int) -> AnswerScore:
    exact_match = float(given == expected)
    if version > 1 and not (given and expected):
        return AnswerScore(exact_match, exact_match)
    num_shared = sum((Counter(given) & Counter(expected)).values())
    if num_shared == 0:
        return AnswerScore(exact_match, 0.0)
    precision, recall = num_shared / len(given), num_shared / len(expected)
    return AnswerScore(exact_match, 2 * precision * recall / (precision + recall))


# --- no answer -------------------------------------------------------------------------------------------------


class Threshold(NamedTuple):
    """A score, and from which probability of no answer there is none."""

    value: float
    threshold: float


def gains(scores: Sequence[float], are_answers: Sequence[bool], have_answers: Sequence[bool]) -> list[float]:
    """Returns what giving each answer, in the place of none, adds to the sum of scores.

    Args:
        scores: of the answers, (N,).
        are_answers: whether there is an answer to give, (N,).
        have_answers: whether the question has one, (N,); a right silence counts 1.
    """
    rows = zip(scores, are_answers, have_answers, strict=True)
    return [score if has_answer else -float(is_answer) for score, is_answer, has_answer in rows]


def best_threshold(probabilities: Sequence[float], added: Sequence[float], num_silent: int) -> Threshold:
    """Returns the best sum of scores, and the smallest threshold that gives it, by SQuAD 2's search.

    A question has no answer where its probability of none is above the threshold. The thresholds tried are 0 and the
    probabilities.

    Example: probabilities (0.1, 0.4, 0.9), gains (1, -1, 1) and 1 question without an answer: answering the first
    gives 2, the second again 1, all three 2; so 2 at 0.1.

    Args:
        probabilities: of no answer, (N,).
        added: what `gains` returned, (N,).
        num_silent: questions without an answer, right where nothing is answered.
    """
    current = best = float(num_silent)
    threshold = 0.0
    for place in sorted(range(len(added)), key=probabilities.__getitem__):
        current += added[place]
        if current > best:
            best, threshold = current, probabilities[place]
    return Threshold(best, threshold)
