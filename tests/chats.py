"""Conversations, and the task adapters that learn to answer them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.data.conversations import ConversationExample, answer_turn, user_turn
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec

HI, HELLO = user_turn("Hi"), answer_turn("Hello")
_FUNCTION = {"name": "f", "arguments": {"x": 1}}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": _FUNCTION}]}
TOOL = {"type": "function", "function": {"name": "f"}}

TALKS = (
    ("who won the game", "our team"),
    ("will it rain today", "no, the sun will shine"),
    ("was my card lost", "it was stolen"),
    ("is the soup cold", "no"),
    ("who won the cup", "a slow team"),
    ("what is too much", "the salt"),
)
"""Questions and their answers, in words that tiny vocabularies know."""


def make_talk(*said: str, line: int = 1, system: str | None = None) -> ConversationExample:
    """Returns a conversation of a user and an assistant, who speak in turns."""
    turns = [answer_turn(text) if place % 2 else user_turn(text) for place, text in enumerate(said)]
    lead = () if system is None else ({"role": "system", "content": system},)
    return ConversationExample(id=line - 1, messages=(*lead, *turns), line=line)


def make_talks() -> list[ConversationExample]:
    """Returns six conversations, of one or two questions."""
    one = [make_talk(*talk, line=line) for line, talk in enumerate(TALKS[:4], 1)]
    two = [make_talk(*TALKS[4], *TALKS[5], line=5), make_talk(*TALKS[5], *TALKS[4], line=6)]
    return [*one, *two]


def make_talker(folder: Path | str, *, max_length: int | None = None, add_tokens: Any = None, **options: Any) -> Any:
    """Returns the text generation adapter of a checkpoint, made as a run makes it, with ChatML unless told otherwise.

    What it returns is a TaskAdapter whose halves have more to them than the protocols say.
    """
    from ftkit.adapters.preprocessors.chat_templates import template_text

    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), add_tokens=add_tokens))
    if options.get("form", "conversation") == "conversation":
        options["chat_template"] = template_text(options.get("chat_template", "plain"))
    options = {"generation": {"num_beams": 1, "validation_num_beams": 1}, **options}
    return find_kind("text-generation").task_adapter(spec).make(spec, None, max_length=max_length, options=options)
