"""Checks preference pairs before anything is trained: every problem names its rows and the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftkit.data.check import Wording, check_leaks, check_size
from ftkit.data.conversation_check import Problem, check_one_form, wrong_with_messages
from ftkit.data.conversations import ConversationExample, is_answer
from ftkit.data.preferences import CHOSEN, REJECTED, PreferenceExample, answer_text
from ftkit.data.problems import Problems
from ftkit.types import Split

WORDING = Wording("question", "questions", "word for word")
TELLING = 0.1
"""So far from a half a share of longer answers has to be to be told: less is chance in some hundred pairs."""


def check_preferences(splits: Mapping[str, Split[PreferenceExample]], problems: Problems) -> None:
    """Reports pairs from which nothing can be learnt, or from which a model would learn what nobody means."""
    for split in splits.values():
        check_size(split, problems)
        for example in split.examples:
            for message, remedy in _wrong_with(example):
                problems.error(f"{split.name}: {message}", where=split.where(example), remedy=remedy)
        _check_both_ways(split, problems)
        _warn_of_lengths(split, problems)
    check_one_form(splits, problems)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems, WORDING)


def _wrong_with(example: PreferenceExample) -> Iterator[Problem]:
    if example.form == "conversation":
        yield from wrong_with_messages(example.messages)
        if not example.messages:
            yield "there is no question", "add what was asked before both answers"
        elif is_answer(example.messages[-1]):
            yield (
                "the question ends with what the assistant says",
                "end it with what is asked; put what the assistant has said into both answers",
            )
    elif not (example.prompt or "").strip():
        yield "the prompt is empty", "fill it in, or delete the row"
    sides = {CHOSEN: example.chosen, REJECTED: example.rejected}
    for role, side in sides.items():
        if _is_empty(side):
            yield f"the {role} answer is empty", "fill it in, or delete the row"
    if _said(example.chosen) == _said(example.rejected) and not _is_empty(example.chosen):
        yield "the chosen answer is the rejected one, word for word", "delete the row: it prefers nothing"


def _is_empty(side: ConversationExample) -> bool:
    if not side.messages:
        return not (side.completion or "").strip()
    answers = [message for message in side.messages[side.num_given :] if is_answer(message)]
    return not answers or not all(message["content"].strip() or message.get("tool_calls") for message in answers)


def _said(side: ConversationExample) -> object:
    return side.messages[side.num_given :] or side.completion


def _check_both_ways(split: Split[PreferenceExample], problems: Problems) -> None:
    """Of two rows that prefer each the other's rejected answer, at least one is wrong."""
    seen: dict[tuple[object, str, str], PreferenceExample] = {}
    for example in split.examples:
        chosen, rejected = answer_text(example.chosen), answer_text(example.rejected)
        seen.setdefault((example.key(), chosen, rejected), example)
        if chosen != rejected and (other := seen.get((example.key(), rejected, chosen))) is not None:
            problems.warn(
                f"{split.name}: rows prefer what another row of the same question rejects",
                where=f"{split.where(example)} and line {other.line}",
                remedy="keep the one that is meant",
            )


def _warn_of_lengths(split: Split[PreferenceExample], problems: Problems) -> None:
    share = longer_is_chosen_share(split)
    if share is not None and abs(share - 0.5) > TELLING:
        which = "longer" if share > 0.5 else "shorter"
        problems.warn(
            f"{split.name}: the chosen answer is the {which} one in {max(share, 1 - share):.0%} of the pairs; a model "
            f"learns to write {which} answers from them before it learns anything else",
            remedy="compare reward_accuracy with baseline_longer_answer, and add pairs of equal lengths",
        )


def longer_is_chosen_share(split: Split[PreferenceExample]) -> float | None:
    """Returns in what share of the pairs of different lengths the longer answer is the chosen one; None of none."""
    leads = [lead for example in split.examples if (lead := characters_more(example))]
    return sum(lead > 0 for lead in leads) / len(leads) if leads else None


def characters_more(example: PreferenceExample) -> int:
    """Returns by how many characters the chosen answer is the longer one."""
    return len(answer_text(example.chosen)) - len(answer_text(example.rejected))
