"""SQuAD's JSON, versions 1 and 2: articles of paragraphs of questions -> a table with a question a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ftkit.data.readers import Table
from ftkit.data.readers.table import RowStream
from ftkit.errors import DataError
from ftkit.types import Row

COLUMNS = ("id", "title", "context", "question", "answers")
_PARAGRAPHS, _QUESTIONS = "paragraphs", "qas"


def is_squad(table: Table) -> bool:
    """Tells whether the rows of a table are articles of SQuAD's JSON."""
    return _PARAGRAPHS in table.columns


def unfold_squad(table: Table) -> Table:
    """Returns a table with a row for each question; other tables as they are.

    The plausible answers that version 2 names for questions without one are left out. A row's line is 0: a whole file
    is often one line, and a question is found by its id.

    Example: `{"title": "T", "paragraphs": [{"context": "It rained.", "qas": [{"id": "q1", "question": "Did it?",
    "answers": [{"text": "rained", "answer_start": 3}]}]}]}` is the row `{"id": "q1", "title": "T", "context": "It
    rained.", "question": "Did it?", "answers": [{"text": "rained", "answer_start": 3}]}`.
    """
    if not is_squad(table):
        return table

    def rows() -> Iterator[Row]:
        for number, article in enumerate(table.rows, start=1):
            yield from _questions(table.source, number, article)

    return Table(table.source, COLUMNS, RowStream(rows), table.hint, table.folder)


def _questions(source: str, number: int, article: Row) -> Iterator[Row]:
    title = article.values.get("title")
    where = f"{source}, line {article.line}, article {number}" + (f" ({title})" if title else "")
    for place, paragraph in enumerate(_objects(article.values, _PARAGRAPHS, where), start=1):
        inside = f"{where}, paragraph {place}"
        context = _needed(paragraph, "context", inside)
        for question in _objects(paragraph, _QUESTIONS, inside):
            text = _needed(question, "question", f"{inside}, question {question.get('id')}")
            answers = [] if question.get("is_impossible") is True else question.get("answers")
            values = (question.get("id"), title, context, text, answers)
            yield Row(dict(zip(COLUMNS, values, strict=True)), 0)


def _objects(parent: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    found = parent.get(key)
    if isinstance(found, list) and all(isinstance(item, Mapping) for item in found):
        return found
    raise DataError(
        f"{where}: expected a list of objects under {key!r}, as SQuAD's JSON has it, got {str(found)[:40]!r}.\n"
        'Fix: write {"data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [{"id": ..., "question": ..., '
        '"answers": [{"text": ..., "answer_start": ...}]}]}]}]}, or a row for each question.'
    )


def _needed(parent: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in parent:
        raise DataError(f"{where}: there is no {key!r}, as SQuAD's JSON has it.\nFix: add it, or delete this object.")
    return parent[key]
