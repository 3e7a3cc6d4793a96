"""Preference pairs: two answers to one question, of which people prefer one; and how files hold them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.data.cells import WrongCell, plain, printed_value, text_of
from ftkit.data.chat_formats import NO_MESSAGES, NO_TOOLS, ChatFormat, Found, alpaca_question
from ftkit.data.conversations import (
    ConversationExample,
    Form,
    Message,
    answer_turn,
    is_answer,
    led_by,
    messages_of,
    optional_text,
    tools_of,
    user_turn,
)
from ftkit.data.row_cells import RowCells
from ftkit.types import CellError

CHOSEN, REJECTED = "chosen", "rejected"


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """A question with two answers. As an example of what is to be answered, it is the question alone.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        chosen: the question with the better answer; `num_given` says how many messages the question has.
        rejected: the same question with the other answer.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    chosen: ConversationExample
    rejected: ConversationExample
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def form(self) -> Form:
        """What is asked: a conversation, or a plain text that is gone on with."""
        return self.chosen.form

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages before the answers; none of a plain text."""
        return self.chosen.messages[: self.chosen.num_given]

    @property
    def asked(self) -> tuple[Message, ...]:
        """The same, in the word of conversations."""
        return self.messages

    @property
    def tools(self) -> tuple[Mapping[str, Any], ...]:
        """JSON schemas of the functions that the assistant may call."""
        return self.chosen.tools

    @property
    def prompt(self) -> str | None:
        """The plain text before the answers; None of a conversation."""
        return self.chosen.prompt

    @property
    def answer(self) -> str:
        """The text of the better answer."""
        return answer_text(self.chosen)

    @property
    def size(self) -> int:
        """How long it is, in characters: the question counts with both answers."""
        return self.chosen.size + self.rejected.size

    def key(self) -> Hashable:
        """Returns what is read before the answers."""
        return self._question.key()

    def summary(self) -> str:
        """Returns what was said last before the answers."""
        return self._question.summary()

    @property
    def _question(self) -> ConversationExample:
        return ConversationExample(id=self.id, messages=self.messages, tools=self.tools, prompt=self.prompt)


def answer_text(side: ConversationExample) -> str:
    """Returns what the assistant says on one side of a pair; of several messages, a line each."""
    if not side.messages:
        return side.completion or ""
    said = (str(message.get("content") or "") for message in side.messages[side.num_given :] if is_answer(message))
    return "\n".join(said)


# --- cells -> the sides of a pair -------------------------------------------------------------------------------

_WRITE = 'write the answers, as texts or as messages such as {"role": "assistant", "content": "..."}'


def sides_of(cells: RowCells, question: Sequence[Message] | None, tools: Any = NO_TOOLS) -> Mapping[str, Found]:
    """Returns the two sides of a pair of which one of the answers may be the whole conversation.

    Args:
        question: the messages before the answers; None where the answers begin with them.
    """
    answers = [cells.read(role, answer_messages, NO_MESSAGES) for role in (CHOSEN, REJECTED)]
    try:
        given, whole = _joined(question, answers)
    except WrongCell as wrong:
        cells.refuse([cells.columns[CHOSEN], cells.columns[REJECTED]], wrong)
        given, whole = 0, answers
    sides = [{"messages": messages, "tools": tools, "num_given": given} for messages in whole]
    return dict(zip((CHOSEN, REJECTED), sides, strict=True))


def answer_messages(cell: Any) -> tuple[Message, ...]:
    """Returns an answer as messages: a text is what the assistant says.

    Raises:
        WrongCell: it is neither a text nor messages.
    """
    cell = plain(cell)
    if isinstance(cell, str):
        printed = printed_value(cell)
        if not _are_messages(printed):
            return (answer_turn(cell),)
        cell = printed
    if isinstance(cell, Mapping) and "messages" not in cell:
        cell = [cell]
    if isinstance(cell, (list, tuple, Mapping)):
        return messages_of(cell)
    return (answer_turn(text_of(cell)),)


def _are_messages(value: Any) -> bool:
    messages = value if isinstance(value, list) else [value]
    return bool(messages) and all(isinstance(one, Mapping) and {"role", "from"} & one.keys() for one in messages)


def _joined(
    question: Sequence[Message] | None, answers: Sequence[tuple[Message, ...]]
) -> tuple[int, list[tuple[Message, ...]]]:
    """Returns how many messages the question has, and question and answer of both sides.

    Raises:
        WrongCell: the sides have no question in common.
    """
    are_whole = [bool(messages) and not is_answer(messages[0]) for messages in answers]
    if not any(are_whole):
        if question is None:
            raise WrongCell(
                "hold answers without a question",
                "add what was asked: a column prompt, or its messages before both answers",
            )
        return len(question), [(*question, *messages) for messages in answers]
    given = _num_shared(*answers)
    if not given or not all(is_answer(message) for messages in answers for message in messages[given : given + 1]):
        raise WrongCell(
            f"answer different questions: they differ in message {given + 1}, which is not the assistant's on both "
            "sides",
            "give both answers the same messages before them, word for word",
        )
    shared = answers[0][:given]
    if question and tuple(question) not in (shared, shared[-1:]):  # a text may be the last of what was said
        raise WrongCell(
            "begin with another question than the row's own", "say the question once: before the answers or in them"
        )
    return given, list(answers)


def _num_shared(one: Sequence[Message], other: Sequence[Message]) -> int:
    """Returns how many messages both begin with, up to the last of what is not the assistant's."""
    pairs = zip(one, other, strict=False)
    shared = next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
    while shared and is_answer(one[shared - 1]):
        shared -= 1
    return shared


def texts_of(cells: RowCells, prompt: str | None) -> Mapping[str, Found]:
    """Returns the two sides of a pair of plain texts.

    Args:
        prompt: None where both texts begin with it.
    """
    texts = [cells.text(CHOSEN), cells.text(REJECTED)]
    if prompt is None:
        length = _length_of_shared(*texts)
        prompt, texts = texts[0][:length], [text[length:] for text in texts]
        if not prompt.strip() and not cells.errors:
            wrong = WrongCell(
                "begin with no text in common, so that nobody could tell what was asked",
                "add what was asked: a column prompt, or the same text before both answers",
            )
            cells.refuse([cells.columns[CHOSEN], cells.columns[REJECTED]], wrong)
    return {role: {"prompt": prompt, "completion": text} for role, text in zip((CHOSEN, REJECTED), texts, strict=True)}


def _length_of_shared(one: str, other: str) -> int:
    """Returns where two texts part, before the word in which they do and the space before it.

    Example: "Q: 2 + 2? A: four" and "Q: 2 + 2? A: five" share 12 characters, up to "A:".
    """
    pairs = zip(one, other, strict=False)
    shared = next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
    while shared and not one[shared - 1].isspace():
        shared -= 1
    return shared - 1 if one[shared - 1 : shared] == " " else shared


# --- formats ----------------------------------------------------------------------------------------------------


def _after(role: str) -> Callable[[RowCells, bool], Found]:
    def read(cells: RowCells, with_labels: bool) -> Found:
        system = cells.read("system", optional_text, None)
        question = led_by(system, cells.read(role, messages_of, NO_MESSAGES))
        return sides_of(cells, question, cells.read("tools", tools_of, NO_TOOLS))

    return read


def _alpaca(cells: RowCells, with_labels: bool) -> Found:
    return sides_of(cells, alpaca_question(cells))


def _prompt(cells: RowCells, with_labels: bool) -> Found:
    prompt = plain(cells.get("prompt"))
    tools = cells.read("tools", tools_of, NO_TOOLS)
    if isinstance(prompt, (list, tuple)) or _are_messages(_printed(prompt)):
        return sides_of(cells, cells.read("prompt", messages_of, NO_MESSAGES), tools)
    if _is_text(cells, CHOSEN) and _is_text(cells, REJECTED):
        return texts_of(cells, cells.text("prompt"))
    return sides_of(cells, [user_turn(cells.text("prompt"))], tools)


def _implicit(cells: RowCells, with_labels: bool) -> Found:
    if _is_text(cells, CHOSEN) and _is_text(cells, REJECTED):
        return texts_of(cells, None)
    return sides_of(cells, None, cells.read("tools", tools_of, NO_TOOLS))


def _is_text(cells: RowCells, role: str) -> bool:
    cell = plain(cells.get(role))
    return not isinstance(cell, (list, tuple, Mapping)) and not _are_messages(_printed(cell))


def _printed(cell: Any) -> Any:
    return printed_value(cell) if isinstance(cell, str) else None


FORMATS: Mapping[str, ChatFormat] = {
    format.name: format
    for format in (
        ChatFormat(
            name="sharegpt",
            needs=("conversations", CHOSEN, REJECTED),
            read=_after("conversations"),
            shown='{"conversations": [{"from": "human", "value": "..."}], "chosen": {"from": "gpt", "value": "..."}, '
            '"rejected": {"from": "gpt", "value": "..."}}',
        ),
        ChatFormat(
            name="alpaca",
            needs=("instruction", CHOSEN, REJECTED),
            read=_alpaca,
            shown='{"instruction": "...", "input": "...", "chosen": "...", "rejected": "..."}',
        ),
        ChatFormat(
            name="prompt",
            needs=("prompt", CHOSEN, REJECTED),
            read=_prompt,
            shown='{"prompt": "...", "chosen": "...", "rejected": "..."}, or each a list of messages',
        ),
        ChatFormat(
            name="messages",
            needs=("messages", CHOSEN, REJECTED),
            read=_after("messages"),
            shown='{"messages": [{"role": "user", "content": "..."}], "chosen": {"role": "assistant", "content": '
            '"..."}, "rejected": {"role": "assistant", "content": "..."}}',
        ),
        ChatFormat(
            name="implicit-prompt",
            needs=(CHOSEN, REJECTED),
            read=_implicit,
            shown='{"chosen": "...", "rejected": "..."}, both with what was asked before the answer',
        ),
    )
}
"""Name -> format, in the order in which they are looked for."""
