"""Sentence similarity: texts become vectors, which lie near one another where the texts mean the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Literal

from pydantic import Field

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.augmentation.texts import TextAugment
from ftkit.adapters.objectives.similarity_losses import SCALE, SimilarityLoss
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.console import note
from ftkit.data.cells import shown
from ftkit.data.check import Problems, Wording, check_contradictions, check_leaks, check_size
from ftkit.data.columns import collected, column
from ftkit.data.readers import Table, open_table
from ftkit.data.row_cells import RowCells
from ftkit.data.similarity import (
    SimilarityColumns,
    SimilarityExample,
    SimilarityForm,
    check_range,
    find_columns,
    found_range,
    negatives_of,
    normalized,
    score_of,
)
from ftkit.data.spec import TextDataSpec
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.kind import Kind, Plain, Role, Settings, Splits
from ftkit.kinds.probes import probe_text
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.splits import read_options
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.similarity_baselines import word_cosines, word_vectors
from ftkit.metrics.simple_methods import MOST_CANDIDATES
from ftkit.metrics.spec import MetricGroup
from ftkit.models.sentence_layout import MODULES_FILE, Pooling
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

WORDING = Wording("row", "rows", "word for word")
_TEXT_ROLES = ("text", "text_pair")


class SentenceSimilarityData(TextDataSpec):
    """The `data` section of sentence similarity."""

    augment: TextAugment | None = Field(None, description="Random changes of training texts. None unless set.")

    format: SimilarityForm | None = Field(
        None,
        description="What a row says: scored-pairs (two texts and how alike they are), pairs (two texts that belong "
        "together) or triplets (these, and texts that do not). Default: found by the columns of train.",
    )
    score_range: tuple[float, float] | None = Field(
        None,
        description="Lowest and highest score of scored pairs, such as [0, 5]. Default: found in the files, and told.",
    )
    loss: SimilarityLoss | None = Field(
        None,
        description="What is learnt: the order of scores (cosent, the default of scored pairs), the scores themselves "
        "(cosine), or which text belongs to which (in-batch-negatives, the default of pairs and triplets).",
    )
    scale: float = Field(
        SCALE, gt=0, description="What cosines are multiplied by in the loss; a temperature is 1 / scale."
    )
    symmetric: bool = Field(
        False, description="In-batch negatives: the second text of a pair looks for the first one, too."
    )
    pooling: Pooling | None = Field(
        None,
        description="How the vectors of tokens become one: mean, cls, max or last. Default: as the checkpoint says, "
        "else the mean.",
    )
    normalize: bool | None = Field(
        None, description="Whether vectors that are given out have a length of 1. Default: as the checkpoint says."
    )
    prompts: dict[Literal["text", "text_pair"], str] | None = Field(
        None,
        description='What stands before a text, such as {text: "query: ", text_pair: "passage: "}. Default: what the '
        "checkpoint says.",
    )


# --- rows -> examples ---------------------------------------------------------------------------------------


def found_in_files(task: Task, data: SentenceSimilarityData) -> SentenceSimilarityData:
    """Returns the data section with the columns and the format that train has, as far as nobody names them.

    Raises:
        DataError: train cannot be read, or its columns are none that are known.
    """
    if isinstance(data.train, tuple):  # several files, which only a stream reads: told where files are read
        return data
    if task.prepare is not None:
        return data.model_copy(update={"format": data.format or _form_of(task.columns)})
    table = open_table(data.train, read_options(data))
    given = {**task.columns, **data.columns}
    found = find_columns(table, given, data.format)
    if not {*_TEXT_ROLES} <= set(given) or data.format is None:
        note(f"{table.source} holds {found.told(table)}")
    columns: dict[str, Any] = {**data.columns, "text": found.text, "text_pair": found.text_pair}
    if found.score is not None:
        columns["score"] = found.score
    if found.negatives:
        columns["negatives"] = found.negatives
    return data.model_copy(update={"format": found.form, "columns": columns})


def _form_of(columns: Mapping[str, str]) -> SimilarityForm:
    """Returns what rows say that a task of one's own prepares."""
    return "triplets" if "negatives" in columns else "scored-pairs" if "score" in columns else "pairs"


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: SentenceSimilarityData, *, with_labels: bool
) -> Iterator[SimilarityExample]:
    """Turns rows into examples one by one.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted: they may have one text alone, and no score.

    Raises:
        DataError: a column is not in the file.
    """
    found = _labelled_columns(table, task, columns, data) if with_labels else None
    roles = _TEXT_ROLES if found is not None else _predicted_roles(table, task, columns)
    columns = {**columns, **({} if found is None else {"text": found.text, "text_pair": found.text_pair})}
    if found is None and table.columns == ("text",):
        columns["text"] = "text"  # plain text files have no other name for it
    elif found is None and len(table.columns) == 1 and task.prepare is None:
        columns[roles[0]] = table.columns[0]
    if found is not None and found.score is not None:
        columns["score"] = found.score
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        texts = {role: cells.text(role) for role in roles}
        score = cells.read("score", score_of, None) if found is not None and found.score is not None else None
        negatives: tuple[str, ...] = ()
        if found is not None and found.negatives:
            negatives = negatives_of(cells, found.negatives)
        yield SimilarityExample(
            id=cells.id(position),
            text=texts.get("text"),
            text_pair=texts.get("text_pair"),
            negatives=negatives,
            score=score,
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def _labelled_columns(
    table: Table, task: Task, columns: Mapping[str, str], data: SentenceSimilarityData
) -> SimilarityColumns:
    """Returns the columns of rows to be learnt or scored: those of train, or the table's own where nobody knows."""
    given = {role: name for role, name in {**columns, **data.columns}.items() if role != "id"}
    if task.prepare is not None:
        form = data.format or _form_of(task.columns)
        score = columns["score"] if form == "scored-pairs" else None
        negatives = given.get("negatives", ()) if form == "triplets" else ()
        named = (negatives,) if isinstance(negatives, str) else tuple(negatives)
        return SimilarityColumns(form, columns["text"], columns["text_pair"], score, named)
    if data.format is None:  # a checkpoint that ftkit did not make
        return find_columns(table, data.columns, None)
    if data.format != "scored-pairs":
        given.pop("score", None)
    return find_columns(table, given, data.format)


def _predicted_roles(table: Table, task: Task, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Returns which texts rows have that are to be predicted: both, or one alone.

    Raises:
        DataError: none of the columns is there, and there are several others.
    """
    if task.prepare is not None:
        return _TEXT_ROLES
    roles = tuple(role for role in _TEXT_ROLES if columns[role] in table.columns)
    if not roles and len(table.columns) > 1:
        raise table.missing_column(columns["text"], role="text")
    return roles or ("text",)


def input_example(position: int, item: Any) -> SimilarityExample:
    """Returns an input of `Predictor.predict` as an example: a text, a pair of texts, or `{"text_pair": TEXT}`.

    Raises:
        DataError: it is none of them.
    """
    if isinstance(item, dict) and item and set(item) <= {*_TEXT_ROLES} and all(map(_is_text, item.values())):
        return SimilarityExample(position, item.get("text"), item.get("text_pair"), line=position)
    parts = [item] if isinstance(item, str) else list(item) if isinstance(item, (list, tuple)) else []
    if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise DataError(f"inputs, item {position}: expected a text or a pair of texts, got {shown(item)}.")
    return SimilarityExample(
        id=position, text=parts[0], text_pair=parts[1] if len(parts) == 2 else None, line=position
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


# --- scores -------------------------------------------------------------------------------------------------


def normalize(
    splits: Splits, task: Task, data: SentenceSimilarityData, problems: Problems
) -> tuple[Splits, SentenceSimilarityData]:
    """Returns examples with scores from 0 to 1; the data section says which range they had.

    Raises:
        ConfigError: the range that the config names is none.
    """
    if data.format not in ("scored-pairs", None):
        return splits, data
    scores = [score for split in splits.values() for score in column(split.examples, "score") if score is not None]
    if not scores:
        return splits, data
    low, high = data.score_range or found_range(scores)
    if data.score_range is None:
        found = f"scores run from {min(scores):g} to {max(scores):g}; data.score_range is taken to be"
        note(f"{found} [{low:g}, {high:g}]")
    if not low < high:
        raise ConfigError(f"data.score_range: got [{low:g}, {high:g}]; expected the lowest and the highest score.")
    for split in splits.values():
        check_range(split, low, high, problems)
    changed = {
        name: dataclasses.replace(
            split, examples=collected(split.examples, (normalized(one, low, high) for one in split.examples))
        )
        for name, split in splits.items()
    }
    return changed, data.model_copy(update={"score_range": (low, high)})


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Splits, labels: Any, task: Task, data: SentenceSimilarityData, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    is_scored = data.format in ("scored-pairs", None)
    for split in splits.values():
        check_size(split, problems)
        check_inputs(split, problems)
        for example in split.examples:
            if is_scored and example.score is None:
                problems.error(
                    f"{split.name}: the score is missing",
                    where=split.where(example),
                    remedy="fill it in, or delete the row",
                )
            if data.format == "triplets" and not example.negatives:
                problems.error(
                    f"{split.name}: a row has no negative",
                    where=split.where(example),
                    remedy="fill one in, delete the row, or say data.format: pairs",
                )
            if example.text_pair in example.negatives:
                problems.error(
                    f"{split.name}: a text is both the second text of its row and a negative",
                    where=split.where(example),
                    remedy="remove it from one of the two",
                )
    train = splits.get("train")
    if train is None:
        return
    check_leaks(train, [split for split in splits.values() if split is not train], problems, WORDING)
    if is_scored:
        _check_scores_differ(train, problems)
    elif len(set(column(train.examples, "text_pair"))) == 1 and len(train) > 1:
        problems.error(
            "train: all rows have the same second text, so that nothing tells them apart",
            where=train.source,
            remedy="check data.columns.text_pair",
        )


def _check_scores_differ(train: Split, problems: Problems) -> None:
    scores = set(column(train.examples, "score"))
    if len(scores) == 1 and len(train) > 1:
        problems.error(
            f"train: all scores are {next(iter(scores))}, and nothing can be learnt from them",
            where=train.source,
            remedy="check data.columns.score; where rows only say which texts belong together, say data.format: pairs",
        )
    check_contradictions(train, problems, WORDING)


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those with a text that is empty."""
    for example in split.examples:
        for role, text in example.texts:
            if not text.strip():
                problems.error(
                    f"{split.name}: the {role} is empty",
                    where=split.where(example),
                    remedy="fill in the text, or delete the row",
                )


# --- adapter and people -------------------------------------------------------------------------------------


def probe(position: int) -> SimilarityExample:
    """Returns a made-up pair of texts without a score."""
    return SimilarityExample(position, probe_text(position), probe_text(position + 1), line=position + 1)


def lengthened(example: SimilarityExample, length: int) -> SimilarityExample:
    """Returns an example whose first text is so often repeated that it has so many words."""
    text = example.text or "text"
    return dataclasses.replace(example, text=" ".join([text] * ceil(length / max(len(text.split()), 1))))


def adapter_options(train: Split, labels: Any, data: SentenceSimilarityData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: the loss does not suit what rows say.
    """
    is_scored = data.format == "scored-pairs"
    if data.loss is not None and is_scored != (data.loss != "in-batch-negatives"):
        suited = "cosent or cosine" if is_scored else "in-batch-negatives"
        raise ConfigError(
            f"data.loss: {data.loss} does not suit {data.format} (data.format). Say {suited}, or leave it out."
        )
    if data.symmetric and is_scored:
        raise ConfigError("data.symmetric: scored pairs have no negatives. Leave it out.")
    options = {
        "form": data.format,
        "loss": data.loss,
        "scale": data.scale,
        "symmetric": data.symmetric,
        "pooling": data.pooling,
        "normalize": data.normalize,
        "prompts": data.prompts,
        "augment": options_of(data.augment),
    }
    return {name: value for name, value in options.items() if value is not None}


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: SentenceSimilarityData, where: str
) -> Plain:
    """Returns nothing more: its own files say how vectors are made."""
    return Plain(labels=None)


def metric_group(task: Task, data: Any) -> MetricGroup:
    """Returns the metrics of scores, or of a search among the second texts."""
    form = getattr(data, "format", None) or "scored-pairs"
    return GROUPS[{"scored-pairs": "sentence-similarity", "pairs": "sentence-search"}.get(form, "sentence-triplets")]


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns what the words that texts share say of them: cosines of TF-IDF vectors."""
    examples = split.examples
    if sum(len(example.texts) for example in examples) > MOST_CANDIDATES:
        return {}
    texts = [[text for _, text in example.texts] for example in examples]
    return {"tf_idf": word_cosines(texts) if examples[0].score is not None else word_vectors(texts)}


def _task_adapter(preprocessor: str) -> TaskAdapterSpec:
    return TaskAdapterSpec(
        preprocessor=f"ftkit.adapters.preprocessors.compared_texts:{preprocessor}",
        objective="ftkit.adapters.objectives.similarity:SimilarityObjective",
        auto_class="AutoModel",
        usage="embed",
        peft_task="FEATURE_EXTRACTION",
        refuses=no_virtual_tokens("virtual tokens have vectors of their own, which programs would pool differently"),
    )


KIND = Kind(
    name="sentence-similarity",
    roles={
        "text": Role(description="the first text: a sentence, an anchor or a query", column="sentence1"),
        "text_pair": Role(description="what it is compared with: a sentence, or a positive", column="sentence2"),
        "score": Role(description="how alike the two are", column="score"),
        "negatives": Role(description="texts that are less alike, in one column or several", several=True),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=SentenceSimilarityData,
    found_in_files=found_in_files,
    read=read_examples,
    not_streamed="looks at all rows before it begins: for the range of their scores, and for texts that are the same",
    normalize=normalize,
    check=check,
    check_inputs=check_inputs,
    input_example=input_example,
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    marked_by=(MODULES_FILE,),
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder": _task_adapter("ComparedTextsPreprocessor"),
        "decoder": _task_adapter("DecoderComparedTextsPreprocessor"),
    },
    metrics=metric_group,
    baselines=baselines,
    reading=lambda group: "similarity" if group == "sentence-similarity" else "search",
    blocks=lambda group: (
        ("scatter", "similarity-errors") if group == "sentence-similarity" else ("search-ranks", "search-errors")
    ),
)
