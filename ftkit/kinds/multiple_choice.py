"""Multiple choice: a question, perhaps about a passage, and choices of which one is right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.augmentation.texts import TextAugment
from ftkit.data.cells import WrongCell, shown
from ftkit.data.check import Problems, Wording
from ftkit.data.choices import ANSWER_FORMS, AnswerForm, Choices, answer_of, choices_of, position_of
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import DataError, name_list
from ftkit.kinds import candidates
from ftkit.kinds.kind import Kind, Plain, Role, Settings, Splits
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.simple_methods import MOST_CANDIDATES, by_choices_alone
from ftkit.models.spec import CheckpointSpec
from ftkit.types import CandidatesExample, LabelSpace, Split

WORDING = Wording("question", "questions", "word for word")
_NO_CHOICES = Choices(())
_OPTIONS = {"cut_side": "left"}  # where a tokenizer joins texts: a passage loses its beginning, its question stays


class MultipleChoiceData(TextDataSpec):
    """The `data` section of multiple choice."""

    augment: TextAugment | None = Field(None, description="Random changes of training texts. None unless set.")

    answer_form: AnswerForm | None = Field(
        None,
        description="How files say which choice is right: its name in the row, its text, a letter from A, an index "
        "from 0, or a number from 1. Default: the one form that fits every row, recorded.",
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: MultipleChoiceData, *, with_labels: bool
) -> Iterator[CandidatesExample]:
    """Turns rows into examples one by one; answers stay as written until `normalize`.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their answer may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    spread = _spread(data)
    if task.prepare is None:
        _check_columns(table, columns, spread, with_labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        choices = _spread_choices(cells, spread) if spread else cells.read("choices", choices_of, _NO_CHOICES)
        question, passage = cells.text("question"), cells.text("context") if "context" in columns else ""
        yield CandidatesExample(
            id=cells.id(position),
            text=passage or question,
            question=question if passage else "",
            candidates=choices.texts,
            names=choices.names,
            answer=cells.read("label", answer_of, None) if with_labels else None,
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def _spread(data: MultipleChoiceData) -> tuple[str, ...]:
    """Returns the columns over which choices are spread; none where one column holds their list."""
    columns = data.columns.get("choices")
    return () if columns is None or isinstance(columns, str) else columns


def _check_columns(table: Table, columns: Mapping[str, str], spread: tuple[str, ...], with_labels: bool) -> None:
    needed = ["question", *(["context"] if "context" in columns else []), *(["label"] if with_labels else [])]
    named = [(role, columns[role]) for role in needed]
    for role, column in [*named, *(("choices", column) for column in spread or (columns["choices"],))]:
        if column not in table.columns:
            several = "; where each choice has a column: {choices: [A, B]}" if role == "choices" else ""
            raise table.missing_column(column, role=role, otherwise=several)


def _spread_choices(cells: RowCells, spread: tuple[str, ...]) -> Choices:
    """Returns choices that have a column each; empty cells at the end are choices that the row does not have."""
    texts = []
    for column in spread:
        try:
            texts.append(choices_of([cells.cells.get(column)]).texts[0])
        except WrongCell as wrong:
            cells.refuse([column], wrong)
    while texts and not texts[-1].strip():
        texts.pop()
    return Choices(tuple(texts))


def normalize(
    splits: Splits, task: Task, data: MultipleChoiceData, problems: Problems
) -> tuple[Splits, MultipleChoiceData]:
    """Finds out how the files say what is right, and puts positions in place of their answers.

    The form is proven, not guessed: it is the only one under which every answer of every file is a choice of its row.
    """
    examples = [example for split in splits.values() for example in split.examples]
    form = data.answer_form or _find_form(examples, splits, problems)
    if form is None:
        return splits, data
    found = {
        name: dataclasses.replace(
            split, examples=[_answered(example, form, split, problems) for example in split.examples]
        )
        for name, split in splits.items()
    }
    return found, data.model_copy(update={"answer_form": form})


def _find_form(examples: list[CandidatesExample], splits: Splits, problems: Problems) -> AnswerForm | None:
    answered = [example for example in examples if example.answer is not None]
    positions = {form: [position_of(example, form) for example in answered] for form in ANSWER_FORMS}
    fitting = {form: tuple(found) for form, found in positions.items() if None not in found}
    if len(set(fitting.values())) > 1:
        one, other = list(fitting)[:2]
        problems.error(
            f"the answers can be read in {len(fitting)} ways, {name_list(fitting)}, and mean different choices",
            where=next((split.source for split in splits.values()), None),
            remedy=f"say data.answer_form: {one}, or data.answer_form: {other}",
        )
        return None
    if fitting:
        return next(iter(fitting))
    # No form fits every row: the one that fits most is what is meant, and the other rows are wrong.
    return max(ANSWER_FORMS, key=lambda form: sum(position is not None for position in positions[form]))


def _answered(example: CandidatesExample, form: AnswerForm, split: Split, problems: Problems) -> CandidatesExample:
    position = position_of(example, form)
    if position is None:
        if split.name != "input" and example.answer is not None:
            problems.error(
                f"{split.name}: the answer {shown(example.answer)} is no choice of its row, read as {_FORMS[form]}",
                where=split.where(example),
                remedy="correct the answer, or say how answers are written: data.answer_form",
                kind=f"{split.name}: answer",
            )
        return example
    relevances = tuple(float(place == position) for place in range(len(example.candidates)))
    return dataclasses.replace(example, relevances=relevances)


_FORMS: Mapping[AnswerForm, str] = {
    "name": "the name of a choice",
    "text": "the text of a choice",
    "letter": "a letter from A",
    "index": "an index from 0",
    "number": "a number from 1",
}


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Splits, labels: Any, task: Task, data: MultipleChoiceData, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    candidates.check_candidates(splits, problems, WORDING, "choice")
    for split in splits.values():
        for example in split.examples:
            if example.answer is None:
                problems.error(
                    f"{split.name}: the answer is missing",
                    where=split.where(example),
                    remedy="fill it in, or delete the row",
                )


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those without a question or choices."""
    candidates.check_texts(split, problems, WORDING.one, "choice")


def input_example(position: int, item: Any) -> CandidatesExample:
    """Returns an input of `Predictor.predict` as an example: `{"question": ..., "choices": [...], "context": ...}`.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(item, Mapping) or not {"question", "choices"} <= set(item) <= {"question", "choices", "context"}:
        raise DataError(
            f'inputs, item {position}: expected {{"question": ..., "choices": [...]}}, and "context" where there is '
            f"one, got {shown(item)}."
        )
    cells = RowCells(item, {role: role for role in ("question", "choices", "context")})
    choices = cells.read("choices", choices_of, _NO_CHOICES)
    question, passage = cells.text("question"), cells.text("context")
    if cells.errors:
        raise DataError(f"inputs, item {position}: {cells.errors[0].message}. Fix: {cells.errors[0].remedy}.")
    return CandidatesExample(
        id=position, text=passage or question, question=question if passage else "", candidates=choices.texts,
        line=position,
    )  # fmt: skip


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns what can be answered by the choices alone, without a question."""
    if train is None or max(map(_num_candidates, (train, split))) > MOST_CANDIDATES:
        return {}
    known, asked = ([example.candidates for example in rows.examples] for rows in (train, split))
    right = [example.relevances.index(1.0) for example in train.examples]
    return {"choices": by_choices_alone(known, right, asked)}


def _num_candidates(split: Split) -> int:
    return sum(len(example.candidates) for example in split.examples)


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns the one output of a cross-encoder, and that a passage is cut at its beginning.

    Raises:
        CheckpointError: it has several outputs.
    """
    return dataclasses.replace(candidates.of_plain_checkpoint(labels, spec, data, where), options=_OPTIONS)


def adapter_options(train: Split, labels: Any, data: MultipleChoiceData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with."""
    return {**_OPTIONS, "augment": options_of(data.augment)}


KIND = Kind(
    name="multiple-choice",
    roles={
        "context": Role(description="the passage that the question is about"),
        "question": Role(description="the question, or what the choices go on from", column="question"),
        "choices": Role(description="the choices: a list, or a column for each", column="choices", several=True),
        "label": Role(description="which choice is right", column="label"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=MultipleChoiceData,
    read=read_examples,
    normalize=normalize,
    labels=candidates.one_score,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_inputs,
    input_example=input_example,
    probe=candidates.probe,
    lengthened=candidates.lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters=candidates.task_adapters("ChoiceObjective"),
    metrics=GROUPS["multiple-choice"],
    baselines=baselines,
    reading=lambda group: "choice",
    blocks=lambda group: ("choice-errors",),
)
