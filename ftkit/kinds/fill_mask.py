"""Fill-mask: the pretraining of encoders goes on with plain text, of which hidden tokens are to be found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from pydantic import Field

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems, check_leaks
from ftkit.data.columns import find
from ftkit.data.documents import Documents, check_documents, document_rows, without_empty
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import DataError
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.types import Split, TextExample


class FillMaskData(TextDataSpec):
    """The `data` section of fill-mask."""

    documents: Documents | None = Field(
        None,
        description="What a document is in a file of plain text: line (the default), blank_line (what stands between "
        "blank lines) or file.",
    )
    mlm_probability: float = Field(
        0.15, gt=0, lt=1, description="Share of the tokens that are hidden; BERT's 0.15, ModernBERT's 0.3."
    )
    whole_word_mask: bool = Field(False, description="Hide all pieces of a word together.")


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: FillMaskData, *, with_labels: bool
) -> Iterator[TextExample]:
    """Turns documents into examples one by one.

    Args:
        columns: role -> column.
        with_labels: False for texts in which something is hidden already; each row is one.

    Raises:
        DataError: the column of the texts is not in the file.
    """
    if task.prepare is None:
        for role in columns if with_labels else ("text",):
            if columns[role] not in table.columns:
                raise table.missing_column(columns[role], role=role)
    rows = document_rows(table, data.documents) if with_labels else iter(table.rows)
    for position, row in enumerate(rows):
        cells = RowCells(task.prepared(row.values), columns)
        yield TextExample(
            id=cells.id(position),
            text=cells.text("text"),
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def normalize(
    splits: Mapping[str, Split], task: Task, data: FillMaskData, problems: Problems
) -> tuple[Mapping[str, Split], FillMaskData]:
    """Leaves out documents without a text."""
    return {name: without_empty(split, problems) for name, split in splits.items()}, data


def check(splits: Mapping[str, Split], labels: None, task: Task, data: FillMaskData, problems: Problems) -> None:
    """Reports what is wrong with the documents of a run."""
    for split in splits.values():
        if not len(split):
            problems.error(f"{split.name} has no text", where=split.source, remedy="add texts, or leave it out")
        check_documents(split, data.documents, problems)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those without a text; the preprocessor looks for what is hidden."""
    for example in find(split.examples, "text", lambda text: not text.strip()):
        problems.error(
            f"{split.name}: the text is empty", where=split.where(example), remedy="write a text with [MASK] in it"
        )


def input_example(position: int, item: Any) -> TextExample:
    """Returns an input of `Predictor.predict` as an example: a text.

    Raises:
        DataError: it is none.
    """
    if isinstance(item, str):
        return TextExample(id=position, text=item, line=position)
    raise DataError(f"inputs, item {position}: expected a text, got {item!r}.")


def adapter_options(train: Split, labels: None, data: FillMaskData, settings: Settings) -> dict[str, Any]:
    """Returns how tokens are hidden."""
    return {"mlm_probability": data.mlm_probability, "whole_word_mask": data.whole_word_mask}


def probe(position: int) -> TextExample:
    """Returns a made-up text in which a word is hidden."""
    return TextExample(id=position, text=f"[MASK] {probe_text(position)}", line=position)


def lengthened(example: TextExample, length: int) -> TextExample:
    """Returns a text so often repeated that it has so many words."""
    times = ceil(length / max(len(example.text.split()), 1))
    return replace(example, text=" ".join([example.text] * times))


KIND = Kind(
    name="fill-mask",
    roles={
        "text": Role(description="a document", column="text"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=FillMaskData,
    read=read_examples,
    normalize=normalize,
    check=check,
    check_inputs=check_inputs,
    input_example=input_example,
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    task_adapters={
        "encoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.masked_text:MaskedTextPreprocessor",
            objective="ftkit.adapters.objectives.masked_tokens:MaskedTokenObjective",
            auto_class="AutoModelForMaskedLM",
            usage="fill",
            peft_task=None,
            refuses=no_virtual_tokens(
                "it is the encoder itself that is to learn, and virtual tokens leave it as it is"
            ),
        )
    },
    metrics=GROUPS["fill-mask"],
    reading=lambda group: "tokens",
    blocks=lambda group: ("hard-texts",),
)
