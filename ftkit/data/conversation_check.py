"""Checks conversations, prompts and documents before anything is trained: every problem names its rows and the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftkit.data.check import Wording, check_leaks, check_size
from ftkit.data.conversations import LEADS, ConversationExample, Message, is_answer
from ftkit.data.problems import Problems
from ftkit.types import Split

WORDING = {
    "conversation": Wording("conversation", "conversations", "word for word up to the last answer"),
    "prompt": Wording("prompt", "prompts", "word for word"),
    "document": Wording("document", "documents", "word for word"),
}

Problem = tuple[str, str]
"""What is wrong with an example, and what to do about it."""


def check_conversations(splits: Mapping[str, Split], problems: Problems) -> None:
    """Reports rows from which nothing can be learnt, or from which a model would learn what nobody means."""
    for split in splits.values():
        if not split.examples or split.examples[0].form != "document":  # one may be a library
            check_size(split, problems)
        for example in split.examples:
            for message, remedy in _wrong_with(example):
                problems.error(f"{split.name}: {message}", where=split.where(example), remedy=remedy)
        _check_unanswered(split, problems)
    check_one_form(splits, problems)
    train = splits.get("train")
    if train is not None and train.examples:
        others = [split for split in splits.values() if split is not train]
        check_leaks(train, others, problems, WORDING[train.examples[0].form])


def check_questions(split: Split, problems: Problems) -> None:
    """Reports rows in which there is nothing to be answered."""
    for example in split.examples:
        for message, remedy in wrong_with_messages(example.asked) if example.messages else ():
            problems.error(f"{split.name}: {message}", where=split.where(example), remedy=remedy)
        if not example.asked and not (example.prompt or "").strip():
            problems.error(
                f"{split.name}: there is nothing to be answered",
                where=split.where(example),
                remedy="write what the user says, or the text to be gone on with",
            )


def _wrong_with(example: ConversationExample) -> Iterator[Problem]:
    if example.form == "conversation":
        yield from wrong_with_messages(example.messages)
        if not any(map(is_answer, example.messages)):
            yield (
                "there is nothing to learn: no message is the assistant's" if example.messages else "no messages",
                "add the answer, or delete the row",
            )
        return
    texts = {"prompt": example.prompt, "completion": example.completion}
    for role, text in texts.items():
        if text is not None and not text.strip():
            name = role if example.form == "prompt" else "text"
            yield f"the {name} is empty", "fill it in, or delete the row"


def wrong_with_messages(messages: tuple[Message, ...]) -> Iterator[Problem]:
    """Yields what is wrong with the messages of a conversation."""
    for number, message in enumerate(messages, 1):
        if not message["content"].strip() and not message.get("tool_calls"):
            yield (
                f"message {number}, the {message['role']}'s, is empty",
                "write what is said, or leave the message out",
            )
        if number > 1 and message["role"] in LEADS:
            yield (
                f"message {number} is the {message['role']}'s, in the middle of the conversation",
                "put it first, and only once: models know it there; what is said later is the user's",
            )


def _check_unanswered(split: Split, problems: Problems) -> None:
    left = [row for row in split.examples if row.messages and not is_answer(row.messages[-1])]
    answered = [row for row in left if any(map(is_answer, row.messages))]
    if answered:
        problems.warn(
            f"{split.name}: {len(answered):,} of {len(split):,} conversations end without an answer; what follows the "
            "last answer is left out",
            where=split.where(answered[0]),
        )


def check_one_form(splits: Mapping[str, Split], problems: Problems) -> None:
    """A model that is asked by a chat template in one row and by plain text in another learns neither well."""
    first: dict[str, tuple[Split, Any]] = {}
    for split in splits.values():
        for example in split.examples:
            first.setdefault(example.form, (split, example))
    if len(first) > 1:
        places = [f"{split.where(example)}: a {form}" for form, (split, example) in first.items()]
        problems.error(
            f"rows are of different forms: {'; '.join(places)}",
            remedy="write all rows in one format, or make a run of each",
        )
