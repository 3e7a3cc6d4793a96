"""The formats of files that conversations and texts are learnt from, each a row of a table; found by its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.data.cells import WrongCell, plain, text_of
from ftkit.data.conversations import (
    Message,
    answer_turn,
    led_by,
    messages_of,
    optional_text,
    tools_of,
    user_turn,
)
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError, did_you_mean, name_list

Found = Mapping[str, Any]
"""Fields of a `ConversationExample`."""


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """How the rows of a file hold what is to be learnt.

    Attributes:
        name: as in `data.format`.
        needs: roles of the columns without which it is another format.
        answered: those of them that only rows to be learnt have.
        read: cells, whether with what is to be learnt -> fields of an example.
        shown: such a row, for messages.
    """

    name: str
    needs: tuple[str, ...]
    answered: tuple[str, ...] = ()
    read: Callable[[RowCells, bool], Found]
    shown: str

    def is_of(self, available: Sequence[str], columns: Mapping[str, str], *, with_labels: bool) -> bool:
        """Tells whether a file has the columns.

        Args:
            available: its columns.
            columns: role -> column.
        """
        needs = [role for role in self.needs if with_labels or role not in self.answered]
        return all(columns.get(role) in available for role in needs)


NO_MESSAGES: tuple[Message, ...] = ()
NO_TOOLS: tuple[Mapping[str, Any], ...] = ()


def _conversation(role: str) -> Callable[[RowCells, bool], Found]:
    def read(cells: RowCells, with_labels: bool) -> Found:
        messages = cells.read(role, messages_of, NO_MESSAGES)
        system = cells.read("system", optional_text, None)
        return {"messages": led_by(system, messages), "tools": cells.read("tools", tools_of, NO_TOOLS)}

    return read


def _alpaca(cells: RowCells, with_labels: bool) -> Found:
    answer = (answer_turn(cells.text("output")),) if with_labels else ()
    return {"messages": (*alpaca_question(cells), *answer)}


def alpaca_question(cells: RowCells) -> tuple[Message, ...]:
    """Returns what is asked in Alpaca's form: instruction and input, behind what was said before."""
    asked = cells.text("instruction")
    given = cells.read("input", optional_text, None)
    turn = user_turn(asked if given is None else f"{asked}\n\n{given}")
    before = cells.read("history", _history, NO_MESSAGES)
    return led_by(cells.read("system", optional_text, None), [*before, turn])


def _history(cell: Any) -> tuple[Message, ...]:
    """Returns earlier turns, which Alpaca's form has as a list of pairs."""
    pairs = plain(cell) or []
    if not isinstance(pairs, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs
    ):
        raise WrongCell("holds no list of pairs", 'write [["question", "answer"], ...]', cell=cell)
    return tuple(turn for asked, said in pairs for turn in (user_turn(text_of(asked)), answer_turn(text_of(said))))


def _prompt_completion(cells: RowCells, with_labels: bool) -> Found:
    if isinstance(plain(cells.get("prompt")), (list, tuple)):
        prompt = cells.read("prompt", messages_of, NO_MESSAGES)
        completion = cells.read("completion", messages_of, NO_MESSAGES) if with_labels else ()
        return {"messages": (*prompt, *completion), "tools": cells.read("tools", tools_of, NO_TOOLS)}
    return {"prompt": cells.text("prompt"), "completion": cells.text("completion") if with_labels else None}


def _text(cells: RowCells, with_labels: bool) -> Found:
    text = cells.text("text")
    return {"completion": text} if with_labels else {"prompt": text}


FORMATS: Mapping[str, ChatFormat] = {
    format.name: format
    for format in (
        ChatFormat(
            name="messages",
            needs=("messages",),
            read=_conversation("messages"),
            shown='{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}',
        ),
        ChatFormat(
            name="sharegpt",
            needs=("conversations",),
            read=_conversation("conversations"),
            shown='{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}',
        ),
        ChatFormat(
            name="alpaca",
            needs=("instruction", "output"),
            answered=("output",),
            read=_alpaca,
            shown='{"instruction": "...", "input": "...", "output": "..."}',
        ),
        ChatFormat(
            name="prompt-completion",
            needs=("prompt", "completion"),
            answered=("completion",),
            read=_prompt_completion,
            shown='{"prompt": "...", "completion": "..."}',
        ),
        ChatFormat(name="text", needs=("text",), read=_text, shown='{"text": "..."}'),
    )
}
"""Name -> format, in the order in which they are looked for."""

PREFERENCE = ("chosen", "rejected")


def find_format(
    said: str | None, source: str, available: Sequence[str], columns: Mapping[str, str], *, with_labels: bool
) -> ChatFormat:
    """Returns the format of a file of conversations, prompts or documents.

    Args:
        said: `data.format`; None to go by the columns. Rows that are only to be predicted may have another.
        source: the file, for messages.
        available: its columns.
        columns: role -> column.

    Raises:
        DataError: it has the columns of none, or not those of the one that was said, or preference pairs.
    """
    found = first_format(FORMATS, said, available, columns, with_labels=with_labels)
    if found is None and not with_labels:
        found = first_format(FORMATS, None, available, columns, with_labels=False)
    if found is not None and not (said is None and with_labels and set(PREFERENCE) <= set(available)):
        return found
    if set(PREFERENCE) <= set(available):
        raise DataError(
            f"{source}: the columns 'chosen' and 'rejected' hold preference pairs, which are learnt from by a kind "
            f"of their own; text-generation learns from {name_list(FORMATS)}.\n"
            "Fix: task: preference-tuning. To learn the chosen answers alone, write each with its conversation under "
            "'messages'."
        )
    raise no_format(FORMATS, said, source, available, columns)


def first_format(
    formats: Mapping[str, ChatFormat],
    said: str | None,
    available: Sequence[str],
    columns: Mapping[str, str],
    *,
    with_labels: bool,
) -> ChatFormat | None:
    """Returns the format that was said, or the first of all, if a file has its columns; else None."""
    tried = formats.values() if said is None else [formats[said]]
    return next((one for one in tried if one.is_of(available, columns, with_labels=with_labels)), None)


def no_format(
    formats: Mapping[str, ChatFormat],
    said: str | None,
    source: str,
    available: Sequence[str],
    columns: Mapping[str, str],
) -> DataError:
    """Returns the error of a file that has the columns of no format, or not those of the one that was said."""
    if said is not None:
        missing = [role for role in formats[said].needs if columns.get(role) not in available]
        return DataError(
            f"{source}: data.format is {said}, but there is no column {columns[missing[0]]!r}; there is "
            f"{name_list(available)}.{did_you_mean(columns[missing[0]], available)}\n"
            f"Fix: name it: data.columns.{missing[0]}, or leave data.format out."
        )
    rows = "\n".join(f"  {one.name:<18} {one.shown}" for one in formats.values())
    return DataError(
        f"{source}: the columns {name_list(available)} are those of no format that is known:\n{rows}\n"
        "Fix: rename the columns, or say which is which: data.columns, such as {messages: dialogue}."
    )
