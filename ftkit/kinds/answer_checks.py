"""Answers that stand in a text: each is found at its place, or told with the nearest one; and what else is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ftkit.data.cells import shown
from ftkit.data.check import Problems, Wording, check_leaks, check_size
from ftkit.data.questions import Answer, QuestionExample, moved, nearest_place, places_of
from ftkit.kinds.task import Task
from ftkit.types import Split

QUESTIONS = Wording("question", "questions", "with the same text, word for word")

_REPAIR = "correct answer_start to the place that is named, or say data.repair_answers: true, which takes it"


def check(splits: Mapping[str, Split], labels: None, task: Task, data: Any, problems: Problems) -> None:
    """Reports everything that is wrong with the questions of a run, by file and row."""
    for split in splits.values():
        check_size(split, problems)
        check_inputs(split, problems)
        for example in split.examples:
            if example.answers is None:
                problems.error(f"{split.name}: the answers are missing", where=split.where(example))
    train = splits.get("train")
    if train is None:
        return
    others = [split for split in splits.values() if split is not train]
    check_leaks(train, others, problems, QUESTIONS)
    _check_shared_texts(train, others, problems)
    _check_answerable(train, others, data.no_answer, problems)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports empty questions, and empty texts."""
    for example in split.examples:
        for role, text in (("question", example.question), ("context", example.context)):
            if not text.strip():
                problems.error(
                    f"{split.name}: the {role} is empty",
                    where=split.where(example),
                    remedy=f"fill in the {role}, or delete the row",
                )


def _check_shared_texts(train: Split, others: Sequence[Split], problems: Problems) -> None:
    """A text that was trained on is known: other questions on it are easier than those on a new one."""
    seen = {example.context for example in train.examples}
    asked = {example.key() for example in train.examples}
    for split in others:
        shared = [row for row in split.examples if row.context in seen and row.key() not in asked]
        if shared:
            problems.warn(
                f"leak: {len(shared):,} of {len(split):,} questions of {split.name} are on texts of train",
                where=split.where(shared[0]),
                remedy="split the files by text or by article; the score tells nothing of new texts",
            )


def _check_answerable(train: Split, others: Sequence[Split], no_answer: bool | None, problems: Problems) -> None:
    """Tells how many questions have no answer, for a model either learns to say so or always answers."""
    without = {split.name: [row for row in split.examples if not row.answers] for split in (train, *others)}
    if no_answer is False and without["train"]:
        _refuse_unanswerable(train, without["train"], problems)
        return
    if len(without["train"]) == len(train):
        problems.error(
            "train: no question has an answer",
            where=train.source,
            remedy="check data.columns.answers, or add questions with answers",
        )
    elif without["train"]:
        problems.warn(
            f"train: {len(without['train']):,} of {len(train):,} questions have no answer; the model learns to say so "
            "(data.no_answer)",
            where=train.where(without["train"][0]),
        )
    elif no_answer:
        problems.warn("train: every question has an answer; the model hardly learns to say that there is none")
    for split in others:
        if without[split.name] and not no_answer:
            problems.warn(
                f"{split.name}: {len(without[split.name]):,} of {len(split):,} questions have no answer, and all of "
                "train have one: the model always answers, and each of them counts as wrong",
                where=split.where(without[split.name][0]),
                remedy="add questions without an answer to train, or say data.no_answer: true",
            )


def _refuse_unanswerable(train: Split, rows: Sequence[QuestionExample], problems: Problems) -> None:
    for row in rows:
        problems.error(
            "train: the question has no answer, and data.no_answer is false",
            where=train.where(row),
            remedy="delete these rows, or leave data.no_answer out",
        )


# --- where answers stand ----------------------------------------------------------------------------------------


def with_placed_answers(split: Split, problems: Problems, *, repair: bool) -> Split:
    """Returns a split whose answers all have the place where they stand; reports by row those that do not stand there.

    Args:
        repair: take the nearest place where an answer does not stand where its row says.
    """
    repaired: list[str] = []

    def place(example: QuestionExample) -> QuestionExample:
        if not example.answers:
            return example
        placed = tuple(
            _placed(answer, example, split, problems, repaired if repair else None) for answer in example.answers
        )
        return example if placed == example.answers else replace(example, answers=placed)

    examples = [place(example) for example in split.examples]
    if repaired:
        problems.warn(f"{split.name}: {len(repaired):,} answers were put in the nearest place", where=repaired[0])
    return replace(split, examples=examples)


def _placed(
    answer: Answer, example: QuestionExample, split: Split, problems: Problems, repaired: list[str] | None
) -> Answer:
    """Returns an answer at its place; where there is none, as it is, with a report."""
    context, start = example.context, answer.start
    if start is None:
        return _found(answer, example, split, problems)
    if context.startswith(answer.text, start):
        return answer
    nearest = nearest_place(answer, context)
    if nearest is None:
        _report_absent(answer, example, split, problems)
        return answer
    told = f"{split.where(example)}: {shown(answer.text)} stands at {nearest}, not at {start}"
    if repaired is not None:
        repaired.append(told)
        return moved(answer, nearest)
    there = shown(context[start : start + len(answer.text)])
    problems.error(
        f"{split.name}: an answer does not stand where answer_start says",
        where=f"{told} (there: {there})",
        remedy=_REPAIR,
    )
    return answer


def _found(answer: Answer, example: QuestionExample, split: Split, problems: Problems) -> Answer:
    """Returns an answer of which the row tells only the text."""
    places = places_of(answer.text, example.context)
    if not places:
        _report_absent(answer, example, split, problems)
        return answer
    if len(places) > 1:
        problems.warn(
            f"{split.name}: an answer stands in several places of its text, and no answer_start says which is meant; "
            "the first is taken",
            where=f"{split.where(example)}: {shown(answer.text)} at {_listed(places)}",
            remedy="add a column answer_start, or delete these rows",
        )
    return moved(answer, places[0])


MOST_PLACES = 4


def _listed(places: Sequence[int]) -> str:
    more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
    return ", ".join(map(str, places[:MOST_PLACES])) + more


_SPELLINGS: tuple[Callable[[str], str], ...] = (str.strip, lambda text: " ".join(text.split()), str.casefold)


def _report_absent(answer: Answer, example: QuestionExample, split: Split, problems: Problems) -> None:
    """Reports an answer that stands nowhere in its text, with the spelling that does."""
    there = _as_spelt_there(answer.text, example.context)
    hint = "" if there is None else f", but {shown(there)} does"
    problems.error(
        f"{split.name}: an answer does not stand in its text",
        where=f"{split.where(example)}: {shown(answer.text)}{hint}",
        remedy="an answer is a stretch of its context, letter for letter: correct it, or delete the row",
    )


def _as_spelt_there(text: str, context: str) -> str | None:
    for respell in _SPELLINGS:
        spelt, respelt = respell(text), respell(context)
        start = respelt.find(spelt)
        if spelt and start >= 0:
            return context[start : start + len(spelt)] if len(respelt) == len(context) else spelt
    return None
