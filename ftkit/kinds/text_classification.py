"""Text classification: a text, or a pair of texts, and one label, several labels or a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.augmentation.texts import TextAugment
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.annotations import unfold_annotations
from ftkit.data.check import Problems, check_splits, check_texts
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import DataError
from ftkit.kinds import labelled
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.labelled import (
    LabelledData,
    blocks,
    check_columns,
    check_known_labels,
    declared_labels,
    label_cells,
    labels_of,
    metric_group,
    of_plain_checkpoint,
    read_label,
    reading,
)
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import NO_PREFIX, no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Split, TextExample


class TextClassificationData(LabelledData, TextDataSpec):
    """The `data` section of text classification."""

    augment: TextAugment | None = Field(None, description="Random changes of training texts. None unless set.")


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: TextClassificationData, *, with_labels: bool
) -> Iterator[TextExample]:
    """Turns rows into examples one by one; nothing is judged here, `check` does that.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their label column may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    columns = dict(columns)
    if table.columns == ("text",):
        columns["text"] = "text"  # plain text files have no other name for it
    if task.prepare is None:
        table = unfold_annotations(table, with_labels=with_labels)
        roles = [role for role in columns if role != "group" and (with_labels or role not in ("label", "id"))]
        check_columns(table, columns, data, roles)
    labels = label_cells(task, data) if with_labels else None
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        yield TextExample(
            id=cells.id(position),
            text=cells.text("text"),
            text_pair=cells.text("text_pair") if "text_pair" in columns else None,
            label=None if labels is None else read_label(cells, labels),
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def input_example(position: int, item: Any) -> TextExample:
    """Returns an input of `Predictor.predict` as an example: a text, or a pair of texts.

    Raises:
        DataError: it is neither.
    """
    parts = [item] if isinstance(item, str) else list(item) if isinstance(item, (list, tuple)) else []
    if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise DataError(f"inputs, item {position}: expected a text or a pair of texts, got {item!r}.")
    return TextExample(id=position, text=parts[0], text_pair=parts[1] if len(parts) == 2 else None, line=position)


def check(
    splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: TextClassificationData, problems: Problems
) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    check_splits(
        list(splits.values()),
        problem_type=labels.problem_type,
        declared=declared_labels(task, data),
        problems=problems,
    )


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those without a text."""
    check_texts(split, problems)


# --- the kind -----------------------------------------------------------------------------------------------


def adapter_options(
    train: Split, labels: LabelSpace, data: TextClassificationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with: a weight per label, the smoothing, and the changes of texts."""
    return {**labelled.adapter_options(train, labels, data, settings), "augment": options_of(data.augment)}


def probe(position: int) -> TextExample:
    """Returns a made-up text without a label."""
    return TextExample(id=position, text=probe_text(position), line=position)


def lengthened(example: TextExample, length: int) -> TextExample:
    """Returns a text so often repeated that it has so many words."""
    times = ceil(length / max(len(example.text.split()), 1))
    return replace(example, text=" ".join([example.text] * times))


def _task_adapter(preprocessor: str, refuses: Mapping[str, str]) -> TaskAdapterSpec:
    return TaskAdapterSpec(
        preprocessor=f"ftkit.adapters.preprocessors.text:{preprocessor}",
        objective="ftkit.adapters.objectives.labels:LabelObjective",
        auto_class="AutoModelForSequenceClassification",
        usage="classify",
        peft_task="SEQ_CLS",
        refuses=refuses,
    )


_NO_VIRTUAL_TOKENS = no_virtual_tokens(
    "the classifier looks for the last token of the text, and virtual tokens hide which one that is"
)

KIND = Kind(
    name="text-classification",
    roles={
        "text": Role(description="the text to classify", column="text"),
        "text_pair": Role(description="the second text of a pair, such as a hypothesis"),
        "label": Role(description="what is to be predicted", column="label", several=True),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=TextClassificationData,
    settings=frozenset({"class_weights", "label_smoothing"}),
    read=read_examples,
    labels=labels_of,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_inputs,
    check_known_labels=check_known_labels,
    input_example=input_example,
    optional_inputs=frozenset({"text_pair"}),
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder": _task_adapter("TextPreprocessor", NO_PREFIX),
        "decoder": _task_adapter("DecoderTextPreprocessor", _NO_VIRTUAL_TOKENS),
        "encoder-decoder": _task_adapter("EncoderDecoderTextPreprocessor", _NO_VIRTUAL_TOKENS),
    },
    metrics=metric_group,
    reading=reading,
    blocks=blocks,
)
