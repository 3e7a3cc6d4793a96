"""Summarization: a long text, and a short one that says what matters in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from pydantic import Field

from ftkit.data.cells import plain, printed_list, text_of
from ftkit.data.check import Problems, check_size
from ftkit.data.parallel_check import PairWords, check_empty, check_identical, check_leaks
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.kinds import written
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.rouge import References, lead, novel_share, sentences, words
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split, TextToTextExample

# What data sets call the two columns; the first is the role's own name.
TEXT_COLUMNS = ("text", "document", "article", "dialogue", "source")
SUMMARY_COLUMNS = ("summary", "highlights", "abstract", "target")

PRETRAINED_TASK = "summarization"  # T5's config has a prefix and a search for it
CHAT_REQUEST = "Summarize the following text. Answer with the summary alone.\n\n{source}"

_WORDS = PairWords(
    "text", "summary", "fill in the text, or delete the row", "summarize or delete them; the model learns to copy"
)

NUM_REFERENCES = 200  # references that say how many sentences a summary has


class SummarizationData(TextDataSpec):
    """The `data` section of summarization."""

    prompt_template: str | None = Field(
        None,
        description="What a model reads, with {source} where the text goes. Decoders need one, or a chat template.",
    )
    max_target_length: int | None = Field(
        None,
        gt=1,
        description="Tokens kept of each summary in training. Default: as many as the checkpoint can write.",
    )
    summary_lists: Literal["references", "sentences"] = Field(
        "references",
        description="What a list in the column of summaries is: several references, or the sentences of one summary.",
    )
    rouge_references: References = Field(
        "max", description="What several references give together in ROUGE: the best one's score, or the mean of all."
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: SummarizationData, *, with_labels: bool
) -> Iterator[TextToTextExample]:
    """Turns rows into examples one by one; a list of sentences is a text too.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be summarized.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        spellings = {"text": TEXT_COLUMNS, **({"summary": SUMMARY_COLUMNS} if with_labels else {})}
        columns = table.found_columns(columns, spellings)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        summaries = cells.read("summary", _reader(data), written.NO_TARGET) if with_labels else ()
        yield TextToTextExample(
            id=cells.id(position),
            source=cells.read("text", running_text, ""),
            target=summaries[0] if summaries else None,
            other_targets=summaries[1:],
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def running_text(cell: Any) -> str:
    """Returns a text, or the sentences of a list as one text.

    Example: `["It rains.", "It pours.\\n"]` is "It rains. It pours."; so is the same list printed into a csv file.

    Raises:
        WrongCell: it is neither.
    """
    cell = plain(cell)
    listed = printed_list(cell) if isinstance(cell, str) else cell
    if not isinstance(listed, (list, tuple)):
        return text_of(cell)
    if any(isinstance(item, (list, tuple)) for item in listed):
        raise written.list_in_list(cell)
    return " ".join(text for item in listed if (text := text_of(item).strip()))


def _reader(data: SummarizationData) -> Any:
    """Returns what reads the column of summaries."""
    if data.summary_lists == "sentences":
        return lambda cell: (running_text(cell),) if running_text(cell).strip() else written.NO_TARGET
    return _references


def _references(cell: Any) -> tuple[str, ...]:
    """Returns the summaries in a cell; each may be a list of sentences."""
    cell = plain(cell)
    listed = printed_list(cell) if isinstance(cell, str) else None
    return written.targets_of(cell if listed is None else listed, running_text)


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: None, task: Task, data: SummarizationData, problems: Problems) -> None:
    """Reports everything that is wrong with the texts and summaries of a run, by file and line."""
    for split in splits.values():
        check_size(split, problems)
        check_empty(split, problems, _WORDS)
        check_identical(split, problems, _WORDS)
        check_lengths(split, problems)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems)


def check_lengths(split: Split, problems: Problems) -> None:
    """A summary is shorter than its text; where most are longer, the columns are probably swapped."""
    longer = [row for row in split.examples if row.target and len(row.target) > len(row.source)]
    if longer and 2 * len(longer) > len(split):
        problems.error(
            f"{split.name}: the summary is longer than the text in {len(longer):,} of {len(split):,} rows",
            where=split.where(longer[0]),
            remedy="check data.columns: text and summary may be swapped",
        )


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: SummarizationData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here.
    """
    check_smoothing(settings.label_smoothing)
    return {
        **_of_data(data),
        "max_target_length": data.max_target_length,
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
    }


def _of_data(data: SummarizationData) -> dict[str, Any]:
    return {
        "prompt_template": data.prompt_template,
        "pretrained_task": PRETRAINED_TASK,
        "chat_request": CHAT_REQUEST,
    }


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: SummarizationData, where: str) -> Plain:
    """Returns what a summarizer is made with."""
    return written.plain_writer(labels, spec, _of_data(data))


# --- what a score has to beat, and what it does not say -------------------------------------------------------


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns the first sentences of each text, as many as summaries usually have, and the three of news."""
    usual = _usual_sentences(split.examples)
    counts = dict.fromkeys((usual, 3) if usual != 1 else (1,))
    return {f"lead_{count}": [lead(example.source, count) for example in split.examples] for count in counts}


def _usual_sentences(examples: Sequence[TextToTextExample]) -> int:
    """Returns how many sentences a reference has on average."""
    targets = [target for example in examples[:NUM_REFERENCES] for target in example.targets]
    return max(1, round(fmean(len(sentences(target)) for target in targets))) if targets else 1


def traits(split: Split, predictions: Sequence[str]) -> dict[str, float | None]:
    """Returns the share of pairs of words that are not in the text, and the mean lengths in words."""
    pairs = zip(predictions, split.examples, strict=True)
    novel = [share for text, example in pairs if (share := novel_share(text, example.source)) is not None]
    references = [target for example in split.examples for target in example.targets]
    return {
        "novel_bigrams": fmean(novel) if novel else None,
        "words": fmean(len(words(text)) for text in predictions) if len(predictions) else None,
        "reference_words": fmean(len(words(text)) for text in references) if references else None,
    }


KIND = Kind(
    name="summarization",
    roles={
        "text": Role(description="the text to summarize, or the list of its sentences", column="text"),
        "summary": Role(description="its summary; a list of several references", column="summary"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=SummarizationData,
    settings=frozenset({"generation", "label_smoothing"}),
    read=read_examples,
    normalize=written.normalize,
    check=check,
    check_scores=written.check_scores,
    check_inputs=functools.partial(check_empty, words=_WORDS),
    input_example=written.input_example,
    probe=written.probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters=written.TASK_ADAPTERS,
    metrics=GROUPS["summarization"],
    baselines=baselines,
    traits=traits,
    reading=lambda group: "summary",
    blocks=lambda group: ("summary-lengths", "summary-errors"),
)
