"""The normalization of VQA, after which short answers about images are compared.

Antol et al. (2015), 1505.00468, compare answers after a normalization whose official code is in the evaluation tools
of the data set. What is done here: white space joined, small letters, punctuation dropped (within numbers kept),
words for 0 to 10 as digits, the articles a, an and the dropped.
"""

from __future__ import annotations

import re

_NUMBERS = {
    **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6"},
    **{"seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}
_ARTICLES = ("a", "an", "the")
_PUNCTUATION = re.compile(r"[^\w\s.,]|_")


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
