"""What can be written about images without a look at them, or without the question: what a score has to beat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftkit.data.image_text import ImageTextExample
from ftkit.metrics.normalized_answers import normalized

MOST_COMPARED = 20_000
"""Training images that others are compared with; the first of them."""

_CHUNK = 1_000


def text_baselines(train: Sequence[ImageTextExample], scored: Sequence[ImageTextExample]) -> dict[str, list[str]]:
    """Returns what simple methods write for each row, by their names.

    `most_frequent_text` is what train says most often. `question` is what it says most often to the same question,
    case, punctuation and articles aside, and shows what can be had without the image. `nearest_image` is what it says
    most often about the training image whose colours are most alike, and shows what can be had without the question.
    A question or image that does not help gets what train says most often.

    Example: of the training rows (red circle, "red?", yes), (red circle, "round?", yes), (blue square, "red?", no) the
    row (blue circle, "red?") gets yes; yes (of equals the first); and what the closer of both images has.
    """
    overall: Counter[str] = Counter()
    by_question: dict[str, Counter[str]] = defaultdict(Counter)
    by_image: dict[bytes, Counter[str]] = defaultdict(Counter)
    for example in train:
        for question, text in example.turns:
            overall[text] += 1
            by_question[normalized(question)][text] += 1
            by_image[example.gist][text] += 1
    most = _most(overall)
    found = {"most_frequent_text": [most] * len(scored)}
    if len(by_question) > 1:
        found["question"] = [_most(by_question.get(normalized(one.question), overall)) for one in scored]
    if all(by_image) and all(example.gist for example in scored):
        found["nearest_image"] = _of_nearest(by_image, scored)
    return found


def _of_nearest(by_image: Mapping[bytes, Counter[str]], scored: Sequence[ImageTextExample]) -> list[str]:
    known = list(by_image)[:MOST_COMPARED]
    known_KD = _pixels(known)
    squares_K = (known_KD**2).sum(axis=1)
    found: list[str] = []
    for start in range(0, len(scored), _CHUNK):
        asked_ND = _pixels([example.gist for example in scored[start : start + _CHUNK]])
        distances_NK = squares_K - 2 * asked_ND @ known_KD.T  # the same for all but for what does not depend on K
        found += [_most(by_image[known[place]]) for place in distances_NK.argmin(axis=1)]
    return found


def _pixels(gists: Sequence[bytes]) -> np.ndarray:
    return np.array([np.frombuffer(gist, np.uint8) for gist in gists], np.float32) / 255


def _most(counts: Any) -> str:
    return counts.most_common(1)[0][0]
