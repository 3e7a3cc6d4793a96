"""A stream of examples in windows of bounded size, the next of which is made ready while one is predicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

# Some million tokens: a window of long documents is bounded by their length, and still holds hundreds to sort.
MOST_SIZE = 4_000_000


def windows(examples: Iterable[Any], *, most_rows: int, most_size: int = MOST_SIZE) -> Iterator[list[Any]]:
    """Yields lists of examples, in order, none empty.

    Args:
        most_rows: examples in a window.
        most_size: after so many a window is closed; one longer example makes a window of its own.
    """
    window: list[Any] = []
    size = 0
    for example in examples:
        window.append(example)
        size += example.size
        if len(window) == most_rows or size >= most_size:
            yield window
            window, size = [], 0
    if window:
        yield window


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Yields items, each made in a thread while what was yielded before is worked on.

    Tokenizers leave Python's lock while they work, and so do matrix products, so both go on at once; a GPU does not
    wait for the next window. What goes wrong in the thread is raised here, after the items before.
    """
    end = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ftkit-read-ahead") as pool:
        coming: Any = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item
