"""Text classification: a text, or a pair of texts, and one label, several labels or a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from pydantic import Field

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems, check_splits, check_texts
from ftkit.data.readers import Table
from ftkit.data.spec import TextDataSpec
from ftkit.errors import ConfigError, DataError, did_you_mean, name_list
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing, given_weights, saved_labels
from ftkit.kinds.probes import probe_text
from ftkit.kinds.task import Task
from ftkit.metrics.table import GROUPS, MetricGroup
from ftkit.models.spec import CheckpointSpec
from ftkit.types import Label, LabelSpace, ProblemType, Row, Split, TextExample, natural_sort

# A regression head has one output; transformers needs a name for it.
REGRESSION_NAME = "score"


class TextClassificationData(TextDataSpec):
    """The `data` section of text classification."""

    problem_type: ProblemType | None = Field(
        None, description="What the labels are; single_label_classification unless said otherwise."
    )
    labels: tuple[str, ...] | None = Field(
        None, description="All label names, in output order. Default: those of train, sorted naturally."
    )
    label_separator: str = Field(",", min_length=1, description="Separates multi-label names in one text cell.")


def problem_type_of(task: Task, data: TextClassificationData) -> ProblemType:
    """Returns what the labels are: the config's word, else the task's, else one label per example."""
    return data.problem_type or task.problem_type or "single_label_classification"


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
        roles = [role for role in columns if with_labels or role not in ("label", "id")]
        for role in roles:
            if columns[role] not in table.columns:
                raise table.missing_column(columns[role], role=role)
    problem_type = problem_type_of(task, data)
    for position, row in enumerate(table.rows):
        yield _example(position, row, task, columns, problem_type, data.label_separator, with_labels)


def _example(
    position: int,
    row: Row,
    task: Task,
    columns: Mapping[str, str],
    problem_type: ProblemType,
    separator: str,
    with_labels: bool,
) -> TextExample:
    cells = task.prepared(row.values)
    id_cell = cells.get(columns["id"]) if "id" in columns else None
    return TextExample(
        id=position if id_cell is None else id_cell,
        text=_text(cells.get(columns["text"])),
        text_pair=_text(cells.get(columns["text_pair"])) if "text_pair" in columns else None,
        label=to_label(cells.get(columns["label"]), problem_type, separator) if with_labels else None,
        line=row.line,
    )


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def to_label(cell: Any, problem_type: ProblemType, separator: str) -> Label | None:
    """Returns a cell as a label, or None where it is missing; a cell that is no number stays text, to be reported.

    `01` and `1` stay two labels, and so do `NA` and an empty cell: only the empty one is missing.
    """
    if problem_type == "multi_label_classification":
        return _several(cell, separator)
    if cell is None or cell == "":
        return None
    if problem_type == "regression":
        return _number(cell)
    return _name(cell)


def _name(cell: Any) -> str:
    """Returns a cell as a label name; JSON's true is `true`, not Python's `True`."""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _several(cell: Any, separator: str) -> tuple[str, ...]:
    """Returns the names in a list, or in a text cell between separators; none at all is a valid answer."""
    if cell is None:
        return ()
    if isinstance(cell, str):
        cell = [part.strip() for part in cell.split(separator)]
    items: Iterable[Any] = cell if isinstance(cell, (list, tuple)) else [cell]
    return tuple(dict.fromkeys(name for item in items if (name := _name(item))))


def _number(cell: Any) -> Label:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return str(cell)


def input_example(position: int, item: Any) -> TextExample:
    """Returns an input of `Predictor.predict` as an example: a text, or a pair of texts.

    Raises:
        DataError: it is neither.
    """
    parts = [item] if isinstance(item, str) else list(item) if isinstance(item, (list, tuple)) else []
    if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise DataError(f"inputs, item {position}: expected a text or a pair of texts, got {item!r}.")
    return TextExample(id=position, text=parts[0], text_pair=parts[1] if len(parts) == 2 else None, line=position)


def labels_of(train: Split, task: Task, data: TextClassificationData) -> LabelSpace:
    """Returns the label names in output order: as declared, else those of train, sorted naturally."""
    problem_type = problem_type_of(task, data)
    if problem_type == "regression":
        return LabelSpace((REGRESSION_NAME,), problem_type)
    declared = declared_labels(task, data)
    if declared is not None:
        return LabelSpace(declared, problem_type)
    labels = (example.label for example in train.examples if example.label is not None)
    if problem_type == "multi_label_classification":
        return LabelSpace(tuple(natural_sort(name for names in labels for name in names)), problem_type)
    return LabelSpace(tuple(natural_sort(str(label) for label in labels)), problem_type)


def declared_labels(task: Task, data: TextClassificationData) -> tuple[str, ...] | None:
    """Returns the label names that config or task declare, or None."""
    declared = data.labels if data.labels is not None else task.labels
    if declared is not None and len(set(declared)) != len(declared):
        raise ConfigError("data.labels: a name is given twice; every output needs a name of its own.")
    return declared


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


def check_known_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    """Reports labels of rows to be scored that a finished run cannot predict."""
    if labels.problem_type == "regression":
        return
    for example in split.examples:
        names = example.label if isinstance(example.label, tuple) else (example.label,)
        for name in names:
            if name is not None and name not in labels:
                problems.error(
                    f"the label {name!r} is none that the run knows.{did_you_mean(str(name), labels.names)}",
                    where=split.where(example),
                    remedy=f"its labels are {name_list(labels.names)}",
                    kind=f"unknown label {name}",
                )


def adapter_options(
    train: Split, labels: LabelSpace, data: TextClassificationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with: a weight per label, and the smoothing.

    Raises:
        ConfigError: a weight for a label that does not exist, or a setting that means nothing here.
    """
    if labels.problem_type == "regression" and (settings.class_weights or settings.label_smoothing):
        setting = "class_weights" if settings.class_weights else "label_smoothing_factor"
        raise ConfigError(f"train.{setting}: a regression has no classes. Leave it out.")
    check_smoothing(settings.label_smoothing)
    weights = _weights(train, labels, settings.class_weights)
    return {"class_weights": weights, "label_smoothing": settings.label_smoothing}


def _weights(train: Split, labels: LabelSpace, setting: str | Mapping[str, float] | None) -> list[float] | None:
    if setting is None:
        return None
    if isinstance(setting, Mapping):
        return given_weights(setting, labels, noun="label")
    counts = dict.fromkeys(labels.names, 0)
    for example in train.examples:
        for name in example.label if isinstance(example.label, tuple) else (str(example.label),):
            counts[name] += 1
    return [_balanced(count, len(train), labels) for count in counts.values()]


def _balanced(count: int, total: int, labels: LabelSpace) -> float:
    """Returns scikit-learn's `balanced` weight; for multi-label the ratio of noes to yeses (pos_weight)."""
    if count == 0:
        return 1.0
    if labels.problem_type == "multi_label_classification":
        return max(total - count, 1) / count
    return total / (len(labels) * count)


# --- the kind -----------------------------------------------------------------------------------------------


def metric_group(task: Task, data: TextClassificationData) -> MetricGroup:
    """Returns the metrics of the problem type."""
    return GROUPS[problem_type_of(task, data)]


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns the labels, and what they are."""
    assert labels is not None
    return Plain(labels=labels, data={"problem_type": labels.problem_type})


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


_BLOCKS: dict[str, tuple[str, ...]] = {
    "single_label_classification": ("label-f1", "reliability", "confusion", "label-scores", "label-errors"),
    "multi_label_classification": ("label-f1", "label-scores", "label-set-errors"),
    "regression": ("scatter", "error-histogram", "number-errors"),
}
_READINGS = {
    "single_label_classification": "label",
    "multi_label_classification": "label-set",
    "regression": "number",
}


def reading(group: str) -> str:
    """Returns how the report tells answers in words; of metrics of one's own nothing is known."""
    return _READINGS.get(group, "any")


def blocks(group: str) -> tuple[str, ...]:
    """Returns what the report shows of predictions; of metrics of one's own nothing is known."""
    return _BLOCKS.get(group, ())


_NO_PREFIX = {"prefix": "transformers' encoders take no keys and values from outside"}
_NO_VIRTUAL_TOKENS = dict.fromkeys(
    ("prefix", "prompt", "p-tuning"),
    "the classifier looks for the last token of the text, and virtual tokens hide which one that is",
)

KIND = Kind(
    name="text-classification",
    roles={
        "text": Role(description="the text to classify", column="text"),
        "text_pair": Role(description="the second text of a pair, such as a hypothesis"),
        "label": Role(description="what is to be predicted", column="label"),
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
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder": _task_adapter("TextPreprocessor", _NO_PREFIX),
        "decoder": _task_adapter("DecoderTextPreprocessor", _NO_VIRTUAL_TOKENS),
        "encoder-decoder": _task_adapter("EncoderDecoderTextPreprocessor", _NO_VIRTUAL_TOKENS),
    },
    metrics=metric_group,
    reading=reading,
    blocks=blocks,
)
