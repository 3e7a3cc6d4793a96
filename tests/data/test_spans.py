from typing import Any

import pytest

from ftkit.data.spans import WrongSpan, read_spans
from ftkit.types import CharSpan

TEXT = "Anna met Bo."


@pytest.mark.parametrize(
    "span",
    [
        {"start": 9, "end": 11, "label": "PER"},
        {"id": 7, "start_offset": 9, "end_offset": 11, "label": "PER"},
        {"start": 9, "end": 11, "text": "Bo", "labels": ["PER"]},
        [9, 11, "PER"],
    ],
)
def test_every_way_to_write_a_span(span: Any) -> None:
    assert read_spans([span, [0, 4, "PER"]], TEXT) == (CharSpan(0, 4, "PER"), CharSpan(9, 11, "PER"))


def test_no_spans() -> None:
    assert read_spans(None, TEXT) == read_spans([], TEXT) == ()


def test_borders_in_utf16_are_recognised_by_the_text_they_bring() -> None:
    """A browser counts an emoji as two."""
    text = "👍 Anna"
    assert read_spans([{"start": 3, "end": 7, "text": "Anna", "labels": ["PER"]}], text) == (CharSpan(2, 6, "PER"),)
    with pytest.raises(WrongSpan, match="the span 1 to 3 holds ' A', but says 'Anna'"):
        read_spans([{"start": 1, "end": 3, "text": "Anna", "labels": ["PER"]}], text)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("PER", "expected a list of spans, got 'PER'"),
        ([5], "expected a span with start, end and label, got 5"),
        ([{"start": 0, "label": "PER"}], "expected whole numbers start and end"),
        ([{"start": 0, "end": 4.0, "label": "PER"}], "expected whole numbers start and end"),
        ([{"start": 0, "end": 4, "labels": ["PER", "ORG"]}], "one label"),
        ([[0, 4, ""]], "one label"),
    ],
)
def test_what_is_no_span(cell: Any, reason: str) -> None:
    with pytest.raises(WrongSpan, match=reason):
        read_spans(cell, TEXT)
