"""Every word of a long text is read in exactly one window, the one with most context."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.adapters.preprocessors.windows import Window, cut_windows


def test_the_documented_example() -> None:
    assert cut_windows([1] * 10, 6, 2) == [Window(0, 6, 0, 5), Window(4, 10, 5, 10)]


def test_causal_words_are_read_where_most_stands_before_them() -> None:
    assert cut_windows([1] * 10, 6, 2, looks_ahead=False) == [Window(0, 6, 0, 6), Window(4, 10, 6, 10)]


def test_what_fits_is_one_window() -> None:
    assert cut_windows([2, 3], 5, 2) == [Window(0, 2, 0, 2)]
    assert cut_windows([2, 3], None, 0) == [Window(0, 2, 0, 2)]
    assert cut_windows([], 5, 2) == [Window(0, 0, 0, 0)]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), max_size=80),
    capacity=st.integers(7, 30),
    overlap=st.integers(0, 40),
    looks_ahead=st.booleans(),
)
def test_every_word_has_exactly_one_window(sizes: list[int], capacity: int, overlap: int, looks_ahead: bool) -> None:
    windows = cut_windows(sizes, capacity, overlap, looks_ahead=looks_ahead)
    answered = [word for window in windows for word in range(window.first, window.last)]
    assert answered == list(range(len(sizes)))
    for window in windows:
        assert sum(sizes[window.start : window.stop]) <= capacity
        assert window.start <= window.first <= window.last <= window.stop
    for word in range(len(sizes)):
        inside = [window for window in windows if window.start <= word < window.stop]
        owner = next(window for window in windows if window.first <= word < window.last)
        assert context(sizes, owner, word, looks_ahead) == max(
            context(sizes, window, word, looks_ahead) for window in inside
        )


def context(sizes: list[int], window: Window, word: int, looks_ahead: bool) -> float:
    """Pieces that a window shows beside a word, on the poorer side; an end of the text is no lack."""
    before = sum(sizes[window.start : word]) if window.start > 0 else np.inf
    after = sum(sizes[word + 1 : window.stop]) if window.stop < len(sizes) else np.inf
    return min(before, after) if looks_ahead else before
