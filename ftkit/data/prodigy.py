"""What Prodigy exports: one task a line, with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.data.cells import Unreadable
from ftkit.data.readers import Table

ANSWER, ACCEPTED = "answer", "accept"
TOKEN_OFFSETS = "token offsets"
"""The column of where each token of the text begins and ends, as pairs of characters."""


def recognises(table: Table) -> bool:
    """Tells whether a table is an export of Prodigy."""
    return ANSWER in table.columns and bool({"_task_hash", "_input_hash"} & set(table.columns))


def columns_of(table: Table) -> tuple[str, ...]:
    """Returns the columns of the unfolded table."""
    columns = [TOKEN_OFFSETS if column == "tokens" else column for column in table.columns]
    if "tokens" in table.columns:
        columns.append("spans")  # a task without spans may lack the key
    if ACCEPTED in table.columns:
        columns.append("label")
    return tuple(dict.fromkeys(columns))


def left_out(cells: Mapping[str, Any]) -> str:
    """Returns why a row is nothing to learn from: its answer, where that is not `accept`."""
    answer = cells.get(ANSWER)
    return "" if answer == ACCEPTED else f"with the answer {answer!r}"


def unfold(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the cells of a row: of tokens their offsets, of a choice the accepted options as `label`.

    Example: `{"text": "Hi Bo", "tokens": [{"text": "Hi", "start": 0, "end": 2}, ...], "accept": ["greet"]}` has the
    token offsets `[(0, 2), ...]` and the label `["greet"]`.
    """
    values = {name: cell for name, cell in cells.items() if name != "tokens"}
    if "tokens" in cells:
        values[TOKEN_OFFSETS] = _offsets(cells["tokens"])
        values.setdefault("spans", None)
    if ACCEPTED in cells:
        values.setdefault("label", cells[ACCEPTED])
    return values


def _offsets(tokens: Any) -> Any:
    try:
        return tuple((int(token["start"]), int(token["end"])) for token in tokens)
    except (TypeError, KeyError, ValueError):
        return Unreadable("holds tokens without start and end", "export the task again, or leave its tokens out")
