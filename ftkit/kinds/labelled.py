"""What kinds with labels share, whatever is labelled: their keys of `data`, cells as labels, weights, scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from ftkit.data.check import Problems
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.kinds.kind import Plain, Settings
from ftkit.kinds.label_settings import check_smoothing, given_weights
from ftkit.kinds.task import Task
from ftkit.metrics.table import GROUPS, MetricGroup
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
    label_separator: str = Field(",", min_length=1, description="Separates multi-label names in one text cell.")


def problem_type_of(task: Task, data: LabelledData) -> ProblemType:
    """Returns what the labels are: the config's word, else the task's, else one label per example."""
    return data.problem_type or task.problem_type or "single_label_classification"


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


def labels_of(train: Split, task: Task, data: LabelledData) -> LabelSpace:
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


def declared_labels(task: Task, data: LabelledData) -> tuple[str, ...] | None:
    """Returns the label names that config or task declare, or None."""
    declared = data.labels if data.labels is not None else task.labels
    if declared is not None and len(set(declared)) != len(declared):
        raise ConfigError("data.labels: a name is given twice; every output needs a name of its own.")
    return declared


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


def metric_group(task: Task, data: LabelledData) -> MetricGroup:
    """Returns the metrics of the problem type."""
    return GROUPS[problem_type_of(task, data)]


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
