"""The likeliest sequence of tags that its scheme allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftkit.tag_schemes import Scheme, may_follow

_FORBIDDEN = -1e9  # finite, so that sums of it stay comparable


class LegalPaths:
    """Finds the likeliest legal sequence of tags (Viterbi 1967) for independent scores of each word.

    A tagger scores each word on its own, so the likeliest tag of each may be illegal after the one before, such as
    I-PER after O; strict scoring then counts no entity at all. Where the likeliest tags are legal, as they mostly
    are, they are the answer.

    Args:
        tags: in the order of the model's outputs.
        scheme: of these tags.
    """

    def __init__(self, tags: Sequence[str], scheme: Scheme) -> None:
        self._may_begin = np.array([may_follow(None, tag, scheme) for tag in tags])
        self._may_end = np.array([may_follow(tag, None, scheme) for tag in tags])
        self._may_follow = np.array([[may_follow(one, other, scheme) for other in tags] for one in tags])

    def best(self, log_probs_WL: np.ndarray) -> np.ndarray:
        """Returns the tags of one text.

        Args:
            log_probs_WL: log-probabilities of each word's tags.

        Returns:
            Output positions, (W,).
        """
        greedy = log_probs_WL.argmax(axis=1)
        return greedy if self._is_legal(greedy) else self._search(log_probs_WL.astype(np.float64))

    def _is_legal(self, path: np.ndarray) -> bool:
        if not len(path):
            return True
        inside = self._may_follow[path[:-1], path[1:]].all()
        return bool(self._may_begin[path[0]] and self._may_end[path[-1]] and inside)

    def _search(self, log_probs_WL: np.ndarray) -> np.ndarray:
        steps_LL = np.where(self._may_follow, 0.0, _FORBIDDEN)
        best_L = log_probs_WL[0] + np.where(self._may_begin, 0.0, _FORBIDDEN)
        came_from = np.zeros(log_probs_WL.shape, np.int64)
        for word in range(1, len(log_probs_WL)):
            paths_LL = best_L[:, None] + steps_LL
            came_from[word] = paths_LL.argmax(axis=0)
            best_L = paths_LL.max(axis=0) + log_probs_WL[word]
        best_L = best_L + np.where(self._may_end, 0.0, _FORBIDDEN)
        path = np.zeros(len(log_probs_WL), np.int64)
        path[-1] = best_L.argmax()
        for word in range(len(path) - 1, 0, -1):
            path[word - 1] = came_from[word, path[word]]
        return path
