"""Questions on texts, and the task adapters that learn to answer them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ftkit.data.questions import Answer, QuestionExample
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec

QUESTIONS: tuple[tuple[str, str, str], ...] = (
    ("who won the game", "our team won the game today", "our team"),
    ("what was lost", "my card was lost on the train", "my card"),
    ("where was it lost", "my card was lost on the train", "on the train"),
    ("who won the cup", "my card was lost on the train", ""),
    ("what is too cold", "the rain will not stop and the soup is too cold", "the soup"),
    ("who won the soup", "boil the rice with a little salt", ""),
)
"""Question, text and answer; an empty one where the text does not answer the question."""


def make_questions(rows: Iterable[tuple[str, str, str | None]]) -> list[QuestionExample]:
    """Returns examples; None for an answer that is not known."""
    return [
        QuestionExample(id=row, question=question, context=context, answers=_answers(context, answer), line=row + 1)
        for row, (question, context, answer) in enumerate(rows)
    ]


def _answers(context: str, answer: str | None) -> tuple[Answer, ...] | None:
    if answer is None:
        return None
    return (Answer(answer, context.index(answer)),) if answer else ()


def write_rows(path: Path, rows: Sequence[tuple[str, str, str]]) -> Path:
    """Writes rows as the Hub's data sets have them, one object a line."""
    objects = [
        {
            "id": f"q{row}",
            "question": question,
            "context": context,
            "answers": {
                "text": [answer] if answer else [],
                "answer_start": [context.index(answer)] if answer else [],
            },
        }
        for row, (question, context, answer) in enumerate(rows)
    ]
    path.write_text("".join(json.dumps(item) + "\n" for item in objects), encoding="utf-8")
    return path


def squad_json(rows: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Returns rows as SQuAD's JSON, version 2, all in one article."""
    paragraphs: dict[str, list[dict[str, Any]]] = {}
    for row, (question, context, answer) in enumerate(rows):
        answers = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
        item = {"id": f"q{row}", "question": question, "answers": answers, "is_impossible": not answer}
        paragraphs.setdefault(context, []).append(item)
    listed = [{"context": context, "qas": questions} for context, questions in paragraphs.items()]
    return {"version": "v2.0", "data": [{"title": "Texts", "paragraphs": listed}]}


def make_answerer(
    folder: Path | str, *, attention: Any = None, max_length: int | None = None, no_answer: bool = True, **options: Any
) -> Any:
    """Returns the adapter of a checkpoint that answers questions, made as a run makes it."""
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), attention=attention))
    options = {"no_answer": no_answer, **options}
    return find_kind("question-answering").task_adapter(spec).make(spec, None, max_length=max_length, options=options)
