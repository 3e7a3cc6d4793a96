"""Text classification: a text, or a pair of texts, and one label, several labels or a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data.check import Problems, check_splits, check_texts
from ftkit.data.readers import Table
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, DataError, did_you_mean, name_list
from ftkit.tasks.settings import check_roles, check_smoothing, given_weights
from ftkit.tasks.task import Task
from ftkit.types import Label, LabelSpace, ProblemType, Row, ScoreType, Split, TextExample, natural_sort

if TYPE_CHECKING:
    from ftkit.metrics.scorer import Scorer

TASK = Task(
    name="text-classification",
    kind="text-classification",
    columns={"text": "text", "label": "label"},
)

ROLES: Mapping[str, str] = {
    "text": "the text to classify",
    "text_pair": "the second text of a pair, such as a hypothesis",
    "label": "what is to be predicted",
    "id": "the row's own id, kept in predictions",
}

# A regression head has one output; transformers needs a name for it.
REGRESSION_NAME = "score"


def columns_of(task: Task, spec: DataSpec) -> dict[str, str]:
    """Returns role -> column: the kind's own names, then the task's, then the config's.

    Raises:
        ConfigError: a role does not exist.
    """
    check_roles(spec.columns, ROLES)
    return {**TASK.columns, **task.columns, **spec.columns}


def scored_as(task: Task, spec: DataSpec) -> ScoreType:
    """Returns what decides the metrics: the problem type."""
    return problem_type_of(task, spec)


_BLOCKS: dict[str, tuple[str, ...]] = {
    "single_label_classification": ("label-f1", "reliability", "confusion", "label-scores", "label-errors"),
    "multi_label_classification": ("label-f1", "label-scores", "label-set-errors"),
    "regression": ("scatter", "error-histogram", "number-errors"),
}
_READINGS: dict[str, str] = {
    "single_label_classification": "label",
    "multi_label_classification": "label-set",
    "regression": "number",
}


def blocks(problem_type: ScoreType) -> tuple[str, ...]:
    """Returns what the report shows of predictions, in order: names of the table of blocks."""
    return _BLOCKS[problem_type]


def reading(problem_type: ScoreType) -> str:
    """Returns how the report tells predictions in words: a name of the table of readings."""
    return _READINGS[problem_type]


def make_scorer(names: Sequence[str], labels: LabelSpace, spec: DataSpec) -> Scorer:
    """Returns what computes the metrics of a run."""
    from ftkit.metrics.scorer import Scorer

    return Scorer(names, labels)


def saved_labels(config: Mapping[str, Any]) -> LabelSpace:
    """Returns the labels of a saved run from its `config.json`."""
    names = {int(index): name for index, name in config["id2label"].items()}
    return LabelSpace(tuple(names[index] for index in sorted(names)), config["problem_type"])


def problem_type_of(task: Task, spec: DataSpec) -> ProblemType:
    """Returns what the labels are: the config's word, else the task's, else one label per example."""
    return spec.problem_type or task.problem_type or "single_label_classification"


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], spec: DataSpec, *, with_labels: bool
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
    problem_type = problem_type_of(task, spec)
    for position, row in enumerate(table.rows):
        yield _example(position, row, task, columns, problem_type, spec.label_separator, with_labels)


def _example(
    position: int,
    row: Row,
    task: Task,
    columns: Mapping[str, str],
    problem_type: ProblemType,
    separator: str,
    with_labels: bool,
) -> TextExample:
    cells = task.prepare(dict(row.values)) if task.prepare is not None else row.values
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


def resolve(
    splits: Mapping[str, Split], task: Task, spec: DataSpec, problems: Problems
) -> tuple[Mapping[str, Split], DataSpec]:
    """Returns splits and spec as they are: labels are read as they will be used."""
    return splits, spec


def fit_labels(train: Split, task: Task, spec: DataSpec) -> LabelSpace:
    """Returns the label names in output order: as declared, else those of train, sorted naturally."""
    problem_type = problem_type_of(task, spec)
    if problem_type == "regression":
        return LabelSpace((REGRESSION_NAME,), problem_type)
    declared = declared_labels(task, spec)
    if declared is not None:
        return LabelSpace(declared, problem_type)
    labels = (example.label for example in train.examples if example.label is not None)
    if problem_type == "multi_label_classification":
        return LabelSpace(tuple(natural_sort(name for names in labels for name in names)), problem_type)
    return LabelSpace(tuple(natural_sort(str(label) for label in labels)), problem_type)


def declared_labels(task: Task, spec: DataSpec) -> tuple[str, ...] | None:
    """Returns the label names that config or task declare, or None."""
    declared = spec.labels if spec.labels is not None else task.labels
    if declared is not None and len(set(declared)) != len(declared):
        raise ConfigError("data.labels: a name is given twice; every output needs a name of its own.")
    return declared


def check(splits: Mapping[str, Split], labels: LabelSpace, task: Task, spec: DataSpec, problems: Problems) -> None:
    """Reports everything that is wrong with the examples of a run, by file and row."""
    check_splits(
        list(splits.values()),
        problem_type=labels.problem_type,
        declared=declared_labels(task, spec),
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
    train: Split,
    labels: LabelSpace,
    spec: DataSpec,
    *,
    class_weights: str | Mapping[str, float] | None,
    label_smoothing: float,
) -> dict[str, Any]:
    """Returns what the adapter is made with: a weight per label, and the smoothing.

    Raises:
        ConfigError: a weight for a label that does not exist, or a setting that means nothing here.
    """
    if labels.problem_type == "regression" and (class_weights or label_smoothing):
        setting = "class_weights" if class_weights else "label_smoothing_factor"
        raise ConfigError(f"train.{setting}: a regression has no classes. Leave it out.")
    check_smoothing(label_smoothing)
    return {"class_weights": _weights(train, labels, class_weights), "label_smoothing": label_smoothing}


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


def readable(prediction: Any, labels: LabelSpace) -> Label:
    """Returns one row's reduced prediction (an id, L booleans or a number) as label name, names or number."""
    if labels.problem_type == "regression":
        return float(prediction)
    if labels.problem_type == "multi_label_classification":
        return tuple(name for name, chosen in zip(labels.names, prediction, strict=True) if chosen)
    return labels.names[int(prediction)]


def shown_example(example: TextExample, predicted: Any, labels: LabelSpace) -> dict[str, Any]:
    """Returns `text`, `expected` and `predicted` of one example, for the end of a run on the screen."""
    return {"text": example.text, "expected": example.label, "predicted": readable(predicted, labels)}
