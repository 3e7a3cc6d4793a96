"""Made-up texts: models are tried and timed with them where no data are at hand."""

from __future__ import annotations

_SENTENCE = "A house stands by the river, and the people who live in it are glad when the rain stops. "
_LONG, _SHORT = _SENTENCE * 2, "The rain stops."


def probe_text(position: int) -> str:
    """Returns a text as long as inputs usually are; every fourth is short, so that a batch has padding."""
    return _SHORT if position % 4 == 1 else _LONG
