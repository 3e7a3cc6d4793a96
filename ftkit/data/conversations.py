"""Conversations: messages in the forms in which files hold them, as transformers' chat templates read them."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ftkit.data.cells import WrongCell, plain, printed_value, shown, single, text_of
from ftkit.errors import did_you_mean, name_list
from ftkit.types import CellError

Message = Mapping[str, Any]
"""`role` and `content`, and what a chat template reads beside them, such as `tool_calls`."""

ROLES: Mapping[str, str] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function_call": "function_call",
    "tool_call": "function_call",
}
"""Role as files spell it -> as chat templates do; `function_call` is an assistant's message that calls tools."""

Form = Literal["conversation", "prompt", "document"]
"""What examples are."""

ANSWERS = "assistant"
LEADS = ("system", "developer")
"""Roles of a message that stands before a conversation."""


@dataclass(frozen=True, slots=True)
class ConversationExample:
    """What a model is to say next: in a conversation, after a text, or from the beginning of a document.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        messages: of a conversation, oldest first; none of a plain text.
        tools: JSON schemas of the functions that the assistant may call.
        prompt: a plain text that is to be gone on with.
        completion: how it goes on; without a prompt, a document. None when the row is only to be predicted.
        num_given: messages at the beginning of which nothing is learnt, whoever says them.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its user.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    messages: tuple[Message, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    prompt: str | None = None
    completion: str | None = None
    num_given: int = 0
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def form(self) -> Form:
        """What it is: a conversation, a prompt or a document."""
        if self.prompt is not None:
            return "prompt"
        return "conversation" if self.completion is None else "document"

    @property
    def asked(self) -> tuple[Message, ...]:
        """The messages before the last answer, which is what that answer is written for."""
        last = max((place for place, message in enumerate(self.messages) if is_answer(message)), default=None)
        ends = last is not None and last == len(self.messages) - 1
        return self.messages[:last] if ends else self.messages

    @property
    def answer(self) -> str | None:
        """The text of the last answer, or how the prompt goes on; None where there is neither."""
        if not self.messages:
            return self.completion
        ends = len(self.asked) < len(self.messages)
        return str(self.messages[-1].get("content") or "") if ends else None

    @property
    def size(self) -> int:
        """How long it is, in characters."""
        texts = [*(str(message.get("content") or "") for message in self.messages), self.prompt, self.completion]
        return sum(len(text) for text in texts if text)

    def key(self) -> Hashable:
        """Returns what is read before the last answer; of a document all of it."""
        if self.messages:
            return json.dumps([self.asked, self.tools], sort_keys=True, ensure_ascii=False, default=str)
        return self.completion if self.prompt is None else self.prompt

    def summary(self) -> str:
        """Returns what was said last before the answer; of a document its beginning."""
        said = self.asked[-1].get("content") if self.asked else None
        text = said or self.prompt or self.completion or ""
        return " ".join(str(text)[:2_000].split())


def is_answer(message: Message) -> bool:
    """Tells whether a message is one that the model is to write."""
    return message["role"] == ANSWERS


# --- cells -> messages ----------------------------------------------------------------------------------------

_WRITE_MESSAGES = 'write a list such as [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]'


def messages_of(cell: Any) -> tuple[Message, ...]:
    """Returns the messages in a cell: `{"role": ..., "content": ...}`, or ShareGPT's `{"from": ..., "value": ...}`.

    Raises:
        WrongCell: it holds no list of messages, or a message cannot be read; messages are counted from 1.
    """
    cell = plain(cell)
    if isinstance(cell, str):
        cell = printed_value(cell) or cell
    if isinstance(cell, Mapping) and isinstance(cell.get("messages"), (list, tuple)):
        cell = cell["messages"]
    if not isinstance(cell, (list, tuple)):
        raise WrongCell("holds no list of messages", _WRITE_MESSAGES, cell=cell)
    return tuple(message_of(item, f"message {number}") for number, item in enumerate(cell, 1))


def message_of(item: Any, where: str = "message") -> Message:
    """Returns a message as chat templates read it.

    Args:
        where: what an error calls it.

    Raises:
        WrongCell: it has no known role, no text, or a call of a tool that is no JSON.
    """
    item = plain(item)
    if not isinstance(item, Mapping):
        raise WrongCell(f"has in {where} no object with a role and a content", _WRITE_MESSAGES, cell=item)
    rest = {key: value for key, value in item.items() if value is not None}
    said = _taken(rest, "role", "from")
    role = _role(said, where)
    content = _content(_taken(rest, "content", "value", "text"), where)
    if role == "function_call":
        return {"role": ANSWERS, "content": "", "tool_calls": _calls(content, where)}
    if "tool_calls" in rest:
        rest["tool_calls"] = _calls(rest["tool_calls"], where)
    return {"role": role, "content": content, **rest}


def _taken(rest: dict[str, Any], *keys: str) -> Any:
    """Removes the keys, and returns the value of the first of them that is there."""
    found = [rest.pop(key) for key in keys if key in rest]
    return found[0] if found else None


def _role(said: Any, where: str) -> str:
    role = ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        what = "no role" if said is None else f"the role {shown(said)}"
        hint = did_you_mean(said, ROLES) if isinstance(said, str) else ""
        raise WrongCell(
            f"has in {where} {what}", f"name one of {name_list(ROLES, limit=20)}.{hint}".replace("..", ".")
        )
    return role


def _content(cell: Any, where: str) -> str:
    """Returns a message's text; that of a list of parts, joined, where all of them are texts."""
    if isinstance(cell, (list, tuple)) and cell and all(isinstance(part, Mapping) for part in cell):
        others = [part.get("type") for part in cell if part.get("type", "text") != "text"]
        if others:
            raise WrongCell(
                f"has in {where} a part of type {shown(others[0])}", "leave out what is no text: this kind reads texts"
            )
        return "".join(str(part.get("text") or "") for part in cell)
    try:
        return text_of(cell)
    except WrongCell as wrong:
        raise WrongCell(f"has in {where} a content that {wrong.what}", wrong.remedy, cell=cell) from None


def _calls(cell: Any, where: str) -> list[dict[str, Any]]:
    """Returns calls of tools in OpenAI's form, arguments as objects."""
    cell = _parsed(cell)
    calls = [cell] if isinstance(cell, Mapping) else cell
    if not isinstance(calls, (list, tuple)) or not all(isinstance(call, Mapping) for call in calls):
        raise WrongCell(
            f"calls in {where} a tool in a form that is no JSON",
            'write {"name": "search", "arguments": {"query": "rain"}}',
            cell=cell,
        )
    return [_call(call, where) for call in calls]


def _call(call: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise WrongCell(
            f"calls in {where} a tool without a name", 'write {"name": "search", "arguments": {}}', cell=call
        )
    beside = {"id": call["id"]} if "id" in call and "function" in call else {}
    arguments = _parsed(function.get("arguments", function.get("parameters", {})))
    return {**beside, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _parsed(value: Any) -> Any:
    """Returns what a text says in JSON; other values, and texts that say nothing, as they are."""
    value = plain(value)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def tools_of(cell: Any) -> tuple[Mapping[str, Any], ...]:
    """Returns the tools in a cell as JSON schemas in OpenAI's form; none of an empty cell.

    Raises:
        WrongCell: it is no list of objects with a name.
    """
    cell = _parsed(plain(cell))
    if cell is None or cell in ("", [], ()):
        return ()
    if not isinstance(cell, (list, tuple)) or not all(isinstance(tool, Mapping) for tool in cell):
        raise WrongCell(
            "holds no list of tools",
            'write [{"name": "search", "description": "...", "parameters": {"type": "object", "properties": {}}}]',
            cell=cell,
        )
    schemas = [tool if "function" in tool else {"type": "function", "function": tool} for tool in cell]
    if not all(isinstance(tool["function"], Mapping) and "name" in tool["function"] for tool in schemas):
        raise WrongCell("holds a tool without a name", 'give each tool a "name"', cell=cell)
    return tuple(schemas)


def optional_text(cell: Any) -> str | None:
    """Returns a text; None where the cell is empty.

    Raises:
        WrongCell: it holds no text.
    """
    text = text_of(single(cell))
    return text if text.strip() else None


def user_turn(text: str) -> Message:
    """Returns a text as what a user says."""
    return {"role": "user", "content": text}


def answer_turn(text: str) -> Message:
    """Returns a text as what the assistant says."""
    return {"role": ANSWERS, "content": text}


def led_by(system: str | None, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Returns messages after a system's, if there is one."""
    return (*(() if system is None else ({"role": "system", "content": system},)), *messages)
