"""What kinds with labels share, whatever is labelled: their keys of `data`, cells as labels, weights, scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from ftkit.data import columns as of_examples
from ftkit.data.cells import WrongCell
from ftkit.data.check import Problems
from ftkit.data.label_cells import LabelCells
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.kinds.kind import Plain, Settings
from ftkit.kinds.label_settings import LabelName, check_name_lengths, check_smoothing, given_weights
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.spec import MetricGroup
from ftkit.models.spec import CheckpointSpec
from ftkit.types import Label, LabelSpace, ProblemType, Split, natural_sort

# A regression head has one output; transformers needs a name for it.
REGRESSION_NAME = "score"


class LabelledData(DataSpec):
    """The keys of `data` that say what the labels are."""

    problem_type: ProblemType | None = Field(
        None, description="What the labels are; single_label_classification unless said otherwise."
    )
    labels: tuple[str, ...] | None = Field(
        None, description="All label names, in output order. Default: those of train, sorted naturally."
    )
    positive_label: LabelName | None = Field(
        None,
        description="Which of two labels precision, recall, F1 and ROC AUC are of. Default: the second.",
    )
    label_separator: str = Field(",", min_length=1, description="Separates multi-label names in one text cell.")


def problem_type_of(task: Task, data: LabelledData) -> ProblemType:
    """Returns what the labels are: the config's word, else the task's, else one label per example."""
    return data.problem_type or task.problem_type or "single_label_classification"


def check_columns(table: Table, columns: Mapping[str, str], data: LabelledData, roles: Iterable[str]) -> None:
    """Raises DataError for the first column of these roles that a table does not have.

    Args:
        columns: role -> column.
    """
    for role in roles:
        for column in (role == "label" and data.label_columns) or (columns[role],):
            if column not in table.columns:
                raise table.missing_column(column, role=role)


def label_cells(task: Task, data: LabelledData) -> LabelCells:
    """Returns how the cells of the labels are read."""
    declared = declared_labels(task, data)
    return LabelCells(problem_type_of(task, data), data.label_separator, declared, data.label_columns)


def read_label(cells: RowCells, how: LabelCells) -> Label | None:
    """Returns the label of a row, or None where it is missing or cannot be read."""
    if how.columns is None:
        return cells.read("label", how.read, None)
    try:
        return how.read_columns(cells.cells)
    except WrongCell as wrong:
        cells.refuse(how.columns, wrong)
        return None


def labels_of(train: Split, task: Task, data: LabelledData) -> LabelSpace:
    """Returns the label names in output order: as declared, else those of train, sorted naturally."""
    problem_type = problem_type_of(task, data)
    if problem_type == "regression":
        return LabelSpace((REGRESSION_NAME,), problem_type)
    declared = declared_labels(task, data)
    if declared is not None:
        return LabelSpace(declared, problem_type)
    labels = {label for label in of_examples.column(train.examples, "label") if label is not None}
    if problem_type == "multi_label_classification":
        return LabelSpace(tuple(natural_sort(name for names in labels for name in names)), problem_type)
    return LabelSpace(tuple(natural_sort(str(label) for label in labels)), problem_type)


def declared_labels(task: Task, data: LabelledData) -> tuple[str, ...] | None:
    """Returns the label names that config or task declare, or None; columns of labels declare theirs.

    Raises:
        ConfigError: a name is given twice or monstrous, or columns and names do not belong together.
    """
    columns = data.label_columns
    own = task.labels if columns is None else columns
    key = "data.columns.label" if data.labels is None and columns is not None else "data.labels"
    declared = data.labels if data.labels is not None else own
    if declared is None:
        return None
    twice = [name for name, count in Counter(declared).items() if count > 1]
    if twice:
        raise ConfigError(f"{key}: {twice[0]!r} is given twice; every output needs a name of its own.")
    check_name_lengths(declared, key)
    if columns is not None and set(columns) != set(declared):
        odd = sorted(set(columns) ^ set(declared))
        raise ConfigError(
            f"data.labels: the labels are those of the columns in data.columns.label; {name_list(odd)} is in only one "
            "of the two. Leave data.labels out, or give it the same names in the order of your choice."
        )
    if columns is not None and problem_type_of(task, data) == "regression":
        raise ConfigError("data.columns.label: a regression has one column of numbers, not a list. Name one.")
    return declared


def check_known_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    """Reports labels of rows to be scored that a finished run cannot predict."""
    if labels.problem_type == "regression":
        return
    known = frozenset(labels.names)
    for example in of_examples.find(split.examples, "label", lambda label: not known.issuperset(_names_in(label))):
        for name in _names_in(example.label):
            if name not in labels:
                problems.error(
                    f"the label {name!r} is none that the run knows.{did_you_mean(str(name), labels.names)}",
                    where=split.where(example),
                    remedy=f"its labels are {name_list(labels.names)}",
                    kind=f"unknown label {name}",
                )


def _names_in(label: Label | None) -> tuple[Any, ...]:
    return () if label is None else label if isinstance(label, tuple) else (label,)


def adapter_options(train: Split, labels: LabelSpace, data: LabelledData, settings: Settings) -> dict[str, Any]:
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
    for label in of_examples.column(train.examples, "label"):
        for name in label if isinstance(label, tuple) else (str(label),):
            counts[name] += 1
    return [_balanced(count, len(train), labels) for count in counts.values()]


def _balanced(count: int, total: int, labels: LabelSpace) -> float:
    """Returns scikit-learn's `balanced` weight; for multi-label the ratio of noes to yeses (pos_weight)."""
    if count == 0:
        return 1.0
    if labels.problem_type == "multi_label_classification":
        return max(total - count, 1) / count
    return total / (len(labels) * count)


def metric_group(task: Task, data: LabelledData) -> MetricGroup:
    """Returns the metrics of the problem type.

    Raises:
        ConfigError: there is a positive label, and nothing to be positive.
    """
    problem_type = problem_type_of(task, data)
    if data.positive_label is not None and problem_type != "single_label_classification":
        raise ConfigError(f"data.positive_label: {problem_type} has no positive label. Leave it out.")
    return GROUPS[problem_type]


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


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns the labels, and what they are."""
    assert labels is not None
    return Plain(labels=labels, data={"problem_type": labels.problem_type})
