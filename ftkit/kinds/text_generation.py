"""Text generation: what an assistant says in a conversation, how a prompt goes on, what follows in a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from ftkit.adapters.preprocessors.chat import LossOn
from ftkit.adapters.preprocessors.chat_templates import template_text
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.cells import WrongCell
from ftkit.data.chat_formats import find_format
from ftkit.data.conversation_check import check_conversations, check_questions
from ftkit.data.conversations import ConversationExample, answer_turn, messages_of, user_turn
from ftkit.data.documents import Documents, check_documents, document_rows
from ftkit.data.problems import Problems
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import DataError
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.probes import probe_text
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import Scorer
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

ANSWERED_ROWS = 8
"""Rows of each scored split that are answered for people to read: enough to judge, few enough to wait for."""

LONGEST_ANSWER = 512
"""Tokens that a checkpoint writes which ftkit did not make, where it does not say."""


class TextGenerationData(TextDataSpec):
    """The `data` section of text generation."""

    format: Literal["messages", "sharegpt", "alpaca", "prompt-completion", "text"] | None = Field(
        None, description="How rows hold what is to be learnt. Default: found by the columns of each file."
    )
    loss_on: LossOn = Field(
        "assistant",
        description="What is learnt of a conversation: every answer (assistant), the last one (completion), or all "
        "that is read (all).",
    )
    chat_template: str | None = Field(
        None,
        description="How a conversation becomes a text: chatml, plain, a file of Jinja, or the template itself. "
        "Default: the checkpoint's own.",
    )
    documents: Documents | None = Field(
        None,
        description="What a document is in a file of plain text: line (the default), blank_line (what stands between "
        "blank lines) or file.",
    )
    window_overlap: int | None = Field(
        None,
        ge=1,
        description="Tokens of context that a window of a long document shares with the one before, where it is "
        "scored. Default: a half of it.",
    )
    packing: bool = Field(False, description="Lay short rows of train into one, up to data.max_length tokens.")
    answered_rows: int = Field(
        ANSWERED_ROWS, ge=0, description="Rows of each scored split that are answered, for the report."
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: TextGenerationData, *, with_labels: bool
) -> Iterator[ConversationExample]:
    """Turns rows into examples one by one.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be answered; a conversation that ends with an answer is then
            answered anew.

    Raises:
        DataError: the columns are those of no format.
    """
    available = table.columns if task.prepare is None else tuple(columns.values())
    found = find_format(data.format, table.source, available, columns, with_labels=with_labels)
    are_documents = with_labels and found.name == "text"
    rows = document_rows(table, data.documents) if are_documents else iter(table.rows)
    for position, row in enumerate(rows):
        cells = RowCells(task.prepared(row.values), columns)
        fields = found.read(cells, with_labels)
        yield ConversationExample(
            id=cells.id(position), line=row.line, group=cells.group(), **fields, cell_errors=cells.errors
        )


def input_example(position: int, item: Any) -> ConversationExample:
    """Returns an input of `Predictor.predict` as an example: a text, or the messages of a conversation.

    Raises:
        DataError: it is neither.
    """
    if isinstance(item, str):
        return ConversationExample(id=position, prompt=item, line=position)
    try:
        return ConversationExample(id=position, messages=messages_of(item), line=position)
    except WrongCell as wrong:
        raise DataError(
            f"inputs, item {position}: expected a text or a list of messages; it {wrong}.\nFix: {wrong.remedy}."
        ) from None


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: None, task: Task, data: TextGenerationData, problems: Problems) -> None:
    """Reports everything that is wrong with the conversations of a run, by file and line."""
    check_conversations(splits, problems)
    for split in splits.values():
        if split.examples and split.examples[0].form == "document":
            check_documents(split, data.documents, problems)


def check_scores(splits: Mapping[str, Split], scorer: Scorer, problems: Problems) -> None:
    """Reports documents where a metric reads what is written: there is nothing that should have been."""
    for split in splits.values():
        if scorer.reads_predictions and split.examples and split.examples[0].form == "document":
            problems.error(
                f"{split.name}: documents are not answered, and a metric reads answers",
                where=split.where(split.examples[0]),
                remedy="name metrics of tokens alone, such as perplexity and bits_per_byte",
            )


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: TextGenerationData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here, or a chat template that is not there.
    """
    check_smoothing(settings.label_smoothing)
    return {
        "form": train.examples[0].form,
        "loss_on": data.loss_on,
        "chat_template": template_text(data.chat_template),
        "packing": data.packing,
        "window_overlap": data.window_overlap,
        "num_written": data.answered_rows,
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
    }


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: TextGenerationData, where: str
) -> Plain:
    """Returns what a model that ftkit did not make is used with: its chat template, if it has one."""
    return Plain(labels=None, options=plain_options(spec, data.chat_template))


def plain_options(spec: CheckpointSpec, chat_template: str | None) -> dict[str, Any]:
    """Returns what the adapter of a model that ftkit did not make is made with.

    Args:
        chat_template: as in `data.chat_template`.
    """
    from ftkit.models.tokenizers import load_tokenizer

    template = template_text(chat_template)
    has_template = template is not None or bool(load_tokenizer(spec).chat_template)
    return {
        "form": "conversation" if has_template else "prompt",
        "chat_template": template,
        "num_written": 0,
        "max_new_tokens": min(filter(None, (spec.max_positions, LONGEST_ANSWER))),
        "generation": {"num_beams": 1, "validation_num_beams": 1},
    }


def probe(position: int) -> ConversationExample:
    """Returns a made-up question, and the same text for its answer."""
    text = probe_text(position)
    return ConversationExample(id=position, messages=(user_turn(text), answer_turn(text)), line=position)


KIND = Kind(
    name="text-generation",
    roles={
        "messages": Role(description="a conversation, as a list of messages", column="messages"),
        "conversations": Role(description="the same in ShareGPT's form", column="conversations"),
        "tools": Role(description="the functions that the assistant may call", column="tools"),
        "system": Role(description="what leads a conversation", column="system"),
        "instruction": Role(description="what is asked, in Alpaca's form", column="instruction"),
        "input": Role(description="what it is asked about", column="input"),
        "output": Role(description="the answer", column="output"),
        "history": Role(description="earlier questions and answers, in pairs", column="history"),
        "prompt": Role(description="a text to be gone on with", column="prompt"),
        "completion": Role(description="how it goes on", column="completion"),
        "text": Role(description="a document", column="text"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=TextGenerationData,
    settings=frozenset({"generation", "label_smoothing"}),
    generation={"num_beams": 1},  # what is said in a conversation has no likeliest wording to be searched for
    read=read_examples,
    check=check,
    check_scores=check_scores,
    check_inputs=check_questions,
    input_example=input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "decoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.next_token:NextTokenPreprocessor",
            objective="ftkit.adapters.objectives.next_token:NextTokenObjective",
            auto_class="AutoModelForCausalLM",
            usage="chat",
            peft_task="CAUSAL_LM",
        )
    },
    metrics=GROUPS["text-generation"],
    reading=lambda group: "reply",
    blocks=lambda group: ("answers",),
)
