"""Long texts in windows that overlap, with every word read in the one where it has most context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """Words `start` to `stop` of a text, of which it answers for `first` to `last`; no end is included."""

    start: int
    stop: int
    first: int
    last: int


def cut_windows(sizes: Sequence[int], capacity: int | None, overlap: int, *, looks_ahead: bool = True) -> list[Window]:
    """Cuts a text into windows that hold whole words.

    Example: ten words of one piece, capacity 6, overlap 2: words 0-5 and 4-9; the first answers for 0-4, the second
    for 5-9, since word 5 has nothing to its right in the first, and one word to its left in the second.

    Args:
        sizes: pieces of each word, none above `capacity`.
        capacity: pieces in a window; None for no limit.
        overlap: pieces that neighbouring windows share, where words and capacity allow it.
        looks_ahead: False where attention is causal: only what stands before a word is context.

    Returns:
        Windows in order; each word has exactly one that answers for it.
    """
    borders = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
    spans = _spans(borders, capacity, overlap)
    owners = _owners(borders, spans, looks_ahead)
    places = np.searchsorted(owners, np.arange(len(spans) + 1))
    return [
        Window(start, stop, int(first), int(last))
        for (start, stop), first, last in zip(spans, places[:-1], places[1:], strict=True)
    ]


def _spans(borders: np.ndarray, capacity: int | None, overlap: int) -> list[tuple[int, int]]:
    """Returns each window's words; the last one reaches as far back as fits."""
    num_words = len(borders) - 1
    if capacity is None or borders[-1] <= capacity:
        return [(0, num_words)]
    spans: list[tuple[int, int]] = []
    start = 0
    while True:
        stop = int(np.searchsorted(borders, borders[start] + capacity, side="right")) - 1
        if stop >= num_words:
            # Nothing is gained by a short last window: its words may as well see more of what comes before.
            start = int(np.searchsorted(borders, borders[-1] - capacity))
            return [*spans, (start, num_words)]
        spans.append((start, stop))
        # Back by the overlap, but no further than the next word still fits.
        back = max(borders[stop] - overlap, borders[stop + 1] - capacity)
        start = min(max(int(np.searchsorted(borders, back)), start + 1), stop)


def _owners(borders: np.ndarray, spans: Sequence[tuple[int, int]], looks_ahead: bool) -> np.ndarray:
    """Returns which window answers for each word, (W,): the one with most context on its poorer side."""
    num_words = len(borders) - 1
    best = np.full(num_words, -1, np.int64)
    owners = np.zeros(num_words, np.int64)
    whole = int(borders[-1]) + 1
    for index, (start, stop) in enumerate(spans):
        before = borders[start:stop] - borders[start] if start > 0 else np.full(stop - start, whole)
        after = borders[stop] - borders[start + 1 : stop + 1] if stop < num_words else np.full(stop - start, whole)
        context = np.minimum(before, after) if looks_ahead else before
        better = context > best[start:stop]
        best[start:stop][better] = context[better]
        owners[start:stop][better] = index
    return owners
