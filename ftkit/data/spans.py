"""Labelled spans of a text, as ftkit, doccano, Label Studio and Prodigy write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.data.cells import WrongCell, plain, shown
from ftkit.data.label_cells import MAX_NAME
from ftkit.types import CharSpan

EXAMPLE = '{"text": "Anna left.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'

# What the columns that hold spans are called: ours, doccano's (two exports), and Label Studio's JSON-MIN.
SPAN_COLUMNS = ("spans", "label", "labels", "entities")


class WrongSpan(WrongCell):
    """A row whose spans cannot be read; says why."""

    def __init__(self, why: str) -> None:
        super().__init__("holds no spans that can be read", f"write them like {EXAMPLE}", why=why)


def read_spans(cell: Any, text: str) -> tuple[CharSpan, ...]:
    """Returns the spans of a row, sorted by where they begin.

    A span is an object with `start`, `end` and `label` (doccano: `start_offset`, `end_offset`; Label Studio:
    `labels` with one name), or a list `[start, end, label]`. Its borders are not judged here.

    Args:
        cell: a list of spans; None means that the text has no entity.
        text: what they lie in; where a span brings a copy of its text, borders counted in UTF-16 are recognised by
            it, for browsers count so.

    Raises:
        WrongSpan: it has another shape.
    """
    cell = plain(cell)
    if cell is None:
        return ()
    if not isinstance(cell, (list, tuple)):
        raise WrongSpan(f"expected a list of spans, got {shown(cell)}")
    return tuple(sorted((_span(item, text) for item in cell), key=lambda span: (span.start, span.end)))


def _span(item: Any, text: str) -> CharSpan:
    if isinstance(item, Mapping):
        start = item.get("start", item.get("start_offset"))
        end = item.get("end", item.get("end_offset"))
        label = item.get("label", item.get("labels"))
        if isinstance(label, (list, tuple)) and len(label) == 1:
            label = label[0]
    elif isinstance(item, (list, tuple)) and len(item) == 3:
        start, end, label = item
    else:
        raise WrongSpan(f"expected a span with start, end and label, got {shown(item)}")
    is_placed = all(isinstance(border, int) and not isinstance(border, bool) for border in (start, end))
    if not is_placed or not isinstance(label, str) or not label.strip():
        raise WrongSpan(f"expected whole numbers start and end, and one label, got {shown(item)}")
    if len(label) > MAX_NAME:
        raise WrongSpan(f"a label has at most {MAX_NAME:,} characters, got {shown(label)}")
    copy = item.get("text") if isinstance(item, Mapping) else None
    if isinstance(copy, str) and text[start:end] != copy:
        start, end = _from_utf16(text, start, end, copy)
    return CharSpan(start, end, label)


def _from_utf16(text: str, start: int, end: int, copy: str) -> tuple[int, int]:
    """Returns borders in characters for borders in UTF-16 units, if those hold the span's own copy of its text."""
    units = text.encode("utf-16-le", "surrogatepass")
    if start < 0 or units[2 * start : 2 * end].decode("utf-16-le", "replace") != copy:
        raise WrongSpan(f"the span {start} to {end} holds {shown(text[max(start, 0) : end])}, but says {shown(copy)}")
    first = len(units[: 2 * start].decode("utf-16-le", "replace"))
    return first, first + len(copy)
