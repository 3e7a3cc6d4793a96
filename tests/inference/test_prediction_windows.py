"""Streams of examples in windows: bounded, in order, and one ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ftkit.inference.windows import one_ahead, windows
from ftkit.types import TextExample, TextToTextExample, TokenExample


def texts(*lengths: int) -> list[TextExample]:
    return [TextExample(id=index, text="a" * length) for index, length in enumerate(lengths)]


def test_a_window_ends_by_rows_or_by_size() -> None:
    found = windows(texts(1, 1, 1, 1, 9, 1, 12, 2), most_rows=3, most_size=10)
    assert [[len(example.text) for example in window] for window in found] == [[1, 1, 1], [1, 9], [1, 12], [2]]
    assert list(windows([], most_rows=3)) == []


def test_examples_of_every_kind_tell_their_size() -> None:
    assert TextExample(id=0, text="four", text_pair="or").size == 6
    assert TokenExample(id=0, words=("a", "bcd")).size == 4
    assert TextToTextExample(id=0, source="four").size == 4


def test_the_next_item_is_made_while_one_is_worked_on() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for index, event in enumerate(made):
            event.set()
            yield index

    stream = one_ahead(items())
    assert next(stream) == 0
    assert made[1].wait(5), "the second was not begun"
    assert not made[2].is_set(), "no more than one ahead"
    assert list(stream) == [1, 2]


def test_what_goes_wrong_is_raised_after_the_items_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("row 2")

    stream = one_ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="row 2"):
        next(stream)


def test_a_stream_that_is_left_early_ends_its_thread() -> None:
    def items() -> Iterator[int]:
        yield from range(10**9)

    before = threading.active_count()
    stream = one_ahead(items())
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before
