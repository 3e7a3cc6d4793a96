"""Question answering, extractive: a question, a text, and the stretch of the text that answers it, if any does."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from pydantic import Field

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems
from ftkit.data.questions import Answer, QuestionExample, read_answers
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.data.squad import unfold_squad
from ftkit.errors import DataError
from ftkit.kinds.answer_checks import check, check_inputs, with_placed_answers
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

NO_ANSWER = "no answer"
NO_ANSWERS: tuple[Answer, ...] = ()
MOST_ANSWERS = 20
_PROBE_QUESTION = "Who lives by the river?"
_SPELLINGS_OF_ANSWERS = ("answer", "answer_text")  # of tables with one answer a row


class QuestionAnsweringData(TextDataSpec):
    """The `data` section of question answering."""

    no_answer: bool | None = Field(
        None,
        description="Whether a text need not answer its question, as in SQuAD 2. Default: whether one in train does "
        "not.",
    )
    no_answer_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="From which probability of no answer, against the best answer, there is none. Default: the one "
        "with the best F1 on validation; 0.5 without validation.",
    )
    window_overlap: int | None = Field(
        None,
        ge=0,
        description="Tokens that windows of a long text share (doc_stride). Default: a quarter of a window.",
    )
    max_answer_length: int | None = Field(
        None, gt=0, description="Tokens of the longest answer. Default: 30, or as many as the longest in train."
    )
    n_best: int = Field(5, ge=1, le=MOST_ANSWERS, description="How many answers a prediction lists.")
    repair_answers: bool = Field(
        False, description="Take the nearest place where an answer does not stand where answer_start says."
    )
    answer_language: str | None = Field(
        None,
        description="Of answers in a language without spaces, such as zh: characters are compared, not words.",
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: QuestionAnsweringData, *, with_labels: bool
) -> Iterator[QuestionExample]:
    """Turns rows, or the questions of SQuAD's JSON, into examples one by one.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their answers may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    table = unfold_squad(table)
    if task.prepare is None:
        columns = _found_columns(table, columns, with_labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        context = cells.text("context")
        reader = functools.partial(read_answers, starts=cells.get("answer_start"))
        answers = cells.read("answers", reader, NO_ANSWERS) if with_labels else None
        yield QuestionExample(
            id=cells.id(position),
            question=cells.text("question"),
            context=context,
            answers=answers,
            line=row.line,
            group=cells.group() if "group" in columns else context,
            cell_errors=cells.errors,
        )


def _found_columns(table: Table, columns: Mapping[str, str], with_labels: bool) -> dict[str, str]:
    """Returns role -> column, once all that are needed are there."""
    found = dict(columns)
    if found["answers"] not in table.columns:
        found["answers"] = next((name for name in _SPELLINGS_OF_ANSWERS if name in table.columns), found["answers"])
    for role in ("question", "context", "answers") if with_labels else ("question", "context"):
        if found[role] not in table.columns:
            raise table.missing_column(found[role], role=role)
    return found


def normalize(
    splits: Mapping[str, Split], task: Task, data: QuestionAnsweringData, problems: Problems
) -> tuple[Mapping[str, Split], QuestionAnsweringData]:
    """Finds every answer in its text, and whether questions may have none."""
    placed = {name: with_placed_answers(split, problems, repair=data.repair_answers) for name, split in splits.items()}
    train = splits.get("train")
    if data.no_answer is None and train is not None:
        data = data.model_copy(update={"no_answer": not all(example.answers for example in train.examples)})
    return placed, data


def names_of(example: QuestionExample) -> tuple[str, ...]:
    """Returns a name for a question without an answer: train keeps one, whatever is held out."""
    return () if example.answers else (NO_ANSWER,)


def input_example(position: int, item: Any) -> QuestionExample:
    """Returns an input of `Predictor.predict` as an example: a question and its text.

    Raises:
        DataError: it is none.
    """
    if isinstance(item, Mapping) and item.keys() >= {"question", "context"}:
        item = (item["question"], item["context"])
    if isinstance(item, (list, tuple)) and len(item) == 2 and all(isinstance(text, str) for text in item):
        return QuestionExample(id=position, question=item[0], context=item[1], line=position)
    raise DataError(
        f'inputs, item {position}: expected a question and its text, as {{"question": ..., "context": ...}} or '
        f"(question, context), got {str(item)[:60]!r}."
    )


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: QuestionAnsweringData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run."""
    return {
        "no_answer": bool(data.no_answer),
        "no_answer_threshold": data.no_answer_threshold,
        "answer_language": data.answer_language,
        "n_best": data.n_best,
        "max_answer_length": data.max_answer_length,
        "window_overlap": data.window_overlap,
    }


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: QuestionAnsweringData, where: str
) -> Plain:
    """Returns how a checkpoint answers: always, for its files do not say whether it was trained not to."""
    return Plain(labels=None, options=adapter_options(Split("train", where, []), None, data, Settings()))


def probe(position: int) -> QuestionExample:
    """Returns a question on a made-up text."""
    return QuestionExample(id=position, question=_PROBE_QUESTION, context=probe_text(position), line=position)


def lengthened(example: QuestionExample, length: int) -> QuestionExample:
    """Returns a question on a text so often repeated that it has so many positions."""
    return replace(example, context=" ".join([example.context] * ceil(length / max(len(example.context.split()), 1))))


def _task_adapter(preprocessor: str, refuses: Mapping[str, str], peft_task: str | None) -> TaskAdapterSpec:
    return TaskAdapterSpec(
        preprocessor=f"ftkit.adapters.preprocessors.question_context:{preprocessor}",
        objective="ftkit.adapters.objectives.spans:SpanObjective",
        auto_class="AutoModelForQuestionAnswering",
        usage="answer",
        peft_task=peft_task,
        refuses=refuses,
    )


# peft's class for question answering leaves out token types, by which BERT tells question and text apart: its plain
# class passes on all that it is given, but has no virtual tokens.
_QUESTION_ANS = "QUESTION_ANS"
_WITH_TOKEN_TYPES = no_virtual_tokens("peft's class for question answering does not pass on token types")
_NO_VIRTUAL_TOKENS = no_virtual_tokens("peft has no virtual tokens for encoder-decoders that mark spans")

KIND = Kind(
    name="question-answering",
    roles={
        "question": Role(description="what is asked", column="question"),
        "context": Role(description="the text in which the answer stands", column="context"),
        "answers": Role(description="the answers, with or without their places", column="answers"),
        "answer_start": Role(description="where an answer begins, in a column of its own", column="answer_start"),
        "id": Role(description="the row's own id, kept in predictions", column="id"),
    },
    data=QuestionAnsweringData,
    settings=frozenset({"attention"}),
    read=read_examples,
    names_of=names_of,
    normalize=normalize,
    check=check,
    check_inputs=check_inputs,
    input_example=input_example,
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder": _task_adapter("QuestionContextPreprocessor", _WITH_TOKEN_TYPES, None),
        "decoder": _task_adapter("DecoderQuestionContextPreprocessor", {}, _QUESTION_ANS),
        "encoder-decoder": _task_adapter("QuestionContextPreprocessor", _NO_VIRTUAL_TOKENS, _QUESTION_ANS),
    },
    metrics=GROUPS["question-answering"],
    reading=lambda group: "answer",
    blocks=lambda group: ("no-answer-curve", "answer-errors"),
)
