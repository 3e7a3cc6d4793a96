"""A kind of task as a value: everything that the library asks about a kind is a field here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems
from ftkit.data.readers import Table
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.kinds.task import Task
from ftkit.metrics.scorer import Scorer
from ftkit.metrics.spec import MetricGroup
from ftkit.models.modality import reads
from ftkit.models.spec import CheckpointSpec
from ftkit.types import Family, LabelSpace, Modality, Split, label_names

Setting = Literal["attention", "class_weights", "generation", "label_smoothing"]
"""Keys of a config outside of `data` that only some kinds take."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a column is for.

    Attributes:
        description: for messages.
        column: the column's name unless task or config give another; None: the role is read only where they do.
        several: whether the role may be spread over a list of columns, one for each label.
    """

    description: str
    column: str | None = None
    several: bool = False


COMMON_ROLES: Mapping[str, Role] = {
    "group": Role(description="what rows share that must stay on one side of a split, such as a speaker"),
}
"""Roles that every kind has."""


_OF_ROWS = ("id", "group")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says outside of `data` that kinds may take.

    Attributes:
        class_weights: `balanced`, or name -> weight.
        label_smoothing: 0 or more and less than 1.
        generation: how texts are written.
    """

    class_weights: str | Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    generation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What is read off a checkpoint that ftkit did not make.

    Attributes:
        labels: in output order.
        data: keys of the data section that follow.
        options: what the task adapter is made with.
    """

    labels: LabelSpace | None
    data: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class Read(Protocol):
    """Turns rows into examples one by one; what is wrong with them is for `normalize` and `check` to say."""

    def __call__(  # noqa: D102
        self, table: Table, task: Task, columns: Mapping[str, str], data: Any, *, with_labels: bool
    ) -> Iterator[Any]: ...


Splits = Mapping[str, Split]


def unchanged(splits: Splits, task: Task, data: Any, problems: Problems) -> tuple[Splits, Any]:
    """Returns splits and data section as they are: examples are read as they will be used."""
    return splits, data


def as_it_is(task: Task, data: Any) -> Any:
    """Returns the data section: it says all."""
    return data


def no_labels(train: Split, task: Task, data: Any) -> None:
    """Returns nothing: what is predicted is not chosen from labels."""


def no_traits(split: Split, predictions: Any) -> dict[str, float | None]:
    """Returns nothing: the scores say all."""
    return {}


def nothing_to_describe(split: Split) -> list[str]:
    """Returns nothing: the number of rows says all."""
    return []


def no_baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns nothing: no simple method is known that a score has to beat."""
    return {}


def nothing_told(splits: Splits, data: Any) -> dict[str, list[str]]:
    """Returns nothing: numbers of rows and names of labels say all."""
    return {}


def no_saved_labels(config: Mapping[str, Any]) -> None:
    """Returns nothing: what is predicted is not chosen from labels."""


def as_it_was_saved(data: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns data section and options as they are: a finished run predicts what it was trained for."""
    return data, dict(options)


def nothing_to_check(split: Split, problems: Problems) -> None:
    """Reports nothing: every input can be predicted."""


def nothing_unknown(split: Split, labels: Any, problems: Problems) -> None:
    """Reports nothing: every target can be predicted."""


def every_score(splits: Splits, scorer: Scorer, problems: Problems) -> None:
    """Reports nothing: every metric can score every example."""


def not_lengthened(example: Any, length: int) -> Any:
    """Returns the example: all inputs have one size."""
    return example


def plain_labels(labels: LabelSpace | None, spec: CheckpointSpec, data: Any, where: str) -> Plain:
    """Returns the labels as they are."""
    return Plain(labels=labels)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of task.

    Attributes:
        name: the Hub's pipeline tag, or a name of one's own.
        pipeline_tag: the Hub's word for what the kind's models do, where that is not the name: the Hub has no words
            for ways to train.
        reads: what the kind's checkpoints read.
        roles: role of a column -> what it is; see `Role`.
        data: the `data` section of the kind's configs: DataSpec with keys of the kind's own, which every other kind
            refuses.
        settings: the settings outside of `data` that the kind takes.
        generation: keys of `generation` -> the kind's own defaults.
        found_in_files: task, data section -> the data section with what the columns of train tell and nobody states,
            such as the form of its rows; metrics and columns follow from it.
        not_streamed: why the kind's rows cannot be a stream, such as `looks at all rows before it begins`; None: they
            can.
        read: rows of a table -> examples.
        names_of: an example as it was read -> the names of its labels, or of its entity types. When examples are held
            out of train, train keeps an example of every name.
        normalize: normalizes examples using all splits, e.g. detects the tag scheme; returns the splits, and the data
            section with what it found.
        checks_on: whether `check` can say what else is wrong where `normalize` has reported rows, as of kinds that
            open files: rows keep what they say, whatever is wrong with their files. Else what is reported ends it.
        labels: train split -> labels in output order; None for kinds without labels.
        saved_labels: the same from the `config.json` of a saved run.
        check: reports everything that is wrong with the examples of a run, by file and row.
        check_scores: reports rows to be scored that a chosen metric cannot score.
        check_inputs: reports rows that cannot be predicted.
        check_known_labels: reports labels of rows to be scored that a finished run cannot predict.
        sheet: examples, data section -> a Pillow image that shows what is to be learnt of them, which `ftkit check
            --show N` writes; None where rows are shown token by token.
        describe: what `ftkit check` shows of a split beside its rows, such as hours of recordings, in lines.
        input_example: position, input of `Predictor.predict` -> an example.
        typed: a text that was typed at a command -> an input of `Predictor.predict`. A kind names it where `predict`
            takes a text for something else, such as the path of an image.
        optional_inputs: roles that a run reads of all its examples or of none, such as the second text of a pair.
        probe: number -> a made-up example that a model is tried and timed with. Examples differ in length. The example
            has its target where predicting is a search.
        lengthened: example, number of positions -> the example, repeated until it takes that many.
        adapter_options: train split, labels, data section, settings -> what the task adapter is made with: plain
            values that are saved with the run.
        chooses_freely: whether a trained model chooses among any labels, which the user may name in each call.
        reopened: data section with what the user says in a call, adapter options of a finished run -> both as
            prediction uses them.
        marked_by: files beside a config.json that only checkpoints for this kind have, where the class that was saved
            tells nothing.
        of_plain_checkpoint: labels in a config.json, checkpoint, data section, file -> what is known of a checkpoint
            that ftkit did not make.
        task_adapters: family -> preprocessor and objective.
        metrics: which metrics suit, and what computes them: a row of ftkit.metrics.groups, or task and data section ->
            such a row.
        baselines: training rows (None where they are not known), rows that are scored -> what simple methods predict
            for these, by their names, in the form of `Objective.references`; a score stands beside theirs.
        ablations: name such as `blank_image` -> an example with a part of its input blanked; a trained model is scored
            on a sample of these, too.
        traits: rows that were scored, what was predicted for them -> numbers that describe the predictions and are no
            scores, such as how long they are.
        told: checked splits, data section -> what `ftkit check` says of the data beside rows and labels: a title, and
            its lines.
        reading: name of a metric group -> how the report tells answers in words; see ftkit.report.table.
        blocks: name of a metric group -> what the report shows of predictions, in order; see ftkit.report.table.
    """

    name: str
    pipeline_tag: str | None = None
    reads: Modality = "text"
    roles: Mapping[str, Role]
    data: type[DataSpec]
    settings: frozenset[Setting] = frozenset()
    generation: Mapping[str, Any] = field(default_factory=dict)
    found_in_files: Callable[[Task, Any], Any] = as_it_is
    not_streamed: str | None = None
    read: Read
    names_of: Callable[[Any], Iterable[str]] = label_names
    normalize: Callable[[Splits, Task, Any, Problems], tuple[Splits, Any]] = unchanged
    checks_on: bool = False
    labels: Callable[[Split, Task, Any], LabelSpace | None] = no_labels
    saved_labels: Callable[[Mapping[str, Any]], LabelSpace | None] = no_saved_labels
    check: Callable[[Splits, Any, Task, Any, Problems], None]
    check_scores: Callable[[Splits, Scorer, Problems], None] = every_score
    check_inputs: Callable[[Split, Problems], None] = nothing_to_check
    check_known_labels: Callable[[Split, Any, Problems], None] = nothing_unknown
    describe: Callable[[Split], Sequence[str]] = nothing_to_describe
    sheet: Callable[[Sequence[Any], Any], Any] | None = None
    input_example: Callable[[int, Any], Any]
    typed: Callable[[str], Any] = str
    optional_inputs: frozenset[str] = frozenset()
    probe: Callable[[int], Any]
    lengthened: Callable[[Any, int], Any] = not_lengthened
    adapter_options: Callable[[Split, Any, Any, Settings], dict[str, Any]]
    chooses_freely: bool = False
    reopened: Callable[[Any, Mapping[str, Any]], tuple[Any, dict[str, Any]]] = as_it_was_saved
    marked_by: tuple[str, ...] = ()
    of_plain_checkpoint: Callable[[LabelSpace | None, CheckpointSpec, Any, str], Plain] = plain_labels
    task_adapters: Mapping[Family, TaskAdapterSpec]
    metrics: MetricGroup | Callable[[Task, Any], MetricGroup]
    baselines: Callable[[Split | None, Split], Mapping[str, Any]] = no_baselines
    ablations: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    traits: Callable[[Split, Any], Mapping[str, float | None]] = no_traits
    told: Callable[[Splits, Any], Mapping[str, Sequence[str]]] = nothing_told
    reading: Callable[[str], str] = lambda group: "any"
    blocks: Callable[[str], tuple[str, ...]] = lambda group: ()

    @property
    def task(self) -> Task:
        """The kind itself as a task, for configs that name no other."""
        return Task(name=self.name, kind=self)

    @property
    def predicts_from_labels(self) -> bool:
        """Whether what is predicted is chosen from labels that a model has outputs for, named in its config.json."""
        return self.labels is not no_labels and not self.chooses_freely

    def metric_group(self, task: Task, data: DataSpec) -> MetricGroup:
        """Returns which metrics suit, and what computes them."""
        return self.metrics if isinstance(self.metrics, MetricGroup) else self.metrics(task, data)

    def columns_of(self, task: Task, data: DataSpec) -> dict[str, str]:
        """Returns role -> column: the kind's own names, then the task's, then the config's.

        Raises:
            ConfigError: a role does not exist.
        """
        self.check_roles(data.columns)
        return {**self.own_columns, **task.columns, **data.role_columns}

    @property
    def own_columns(self) -> dict[str, str]:
        """Role -> column, where neither task nor config say anything."""
        return {name: role.column for name, role in self.roles.items() if role.column is not None}

    def normalized(self, splits: Splits, task: Task, data: Any, problems: Problems) -> tuple[Splits, Any]:
        """Returns what `normalize` does.

        Raises:
            DataError: it has reported rows, and nothing more can be said of them.
        """
        reported = len(problems.messages)
        found = self.normalize(splits, task, data, problems)
        if len(problems.messages) > reported and not self.checks_on:
            problems.raise_if_any()
        return found

    def check_roles(self, columns: Mapping[str, str | tuple[str, ...]]) -> None:
        """Raises ConfigError for a role that the kind does not have, cannot have several columns, or shares its own.

        What rows are called and grouped by may be any column.
        """
        roles = {**self.roles, **COMMON_ROLES}
        for role, column in columns.items():
            if role not in roles:
                raise ConfigError(
                    f"data.columns: no role {role!r}.{did_you_mean(role, roles)} Roles: {name_list(roles)}."
                )
            if not isinstance(column, str) and not roles[role].several:
                raise ConfigError(
                    f"data.columns.{role}: expected one column, got a list: {name_list(column)}. Name one of them."
                )
        named = {role: column for role, column in columns.items() if role not in _OF_ROWS and isinstance(column, str)}
        for role, column in named.items():
            if twin := next((other for other in named if other != role and named[other] == column), None):
                raise ConfigError(
                    f"data.columns: {role} and {twin} are both the column {column!r}. Name the column of each."
                )

    def check_settings(self, given: Mapping[Setting, str]) -> None:
        """Refuses settings that mean nothing in this kind.

        Args:
            given: setting -> its key in the config, of those that the config has.

        Raises:
            ConfigError: naming the first of them.
        """
        for setting, key in given.items():
            if setting not in self.settings:
                raise ConfigError(f"{key}: {_NO_USE[setting].format(kind=self.name)} Leave it out.")

    def task_adapter(self, spec: CheckpointSpec) -> TaskAdapterSpec:
        """Returns the preprocessor and objective for a checkpoint.

        Raises:
            ConfigError: the kind does not work with its family, or with what it reads.
        """
        fits = reads(spec.reads, self.reads)
        if fits and spec.family in self.task_adapters:
            return self.task_adapters[spec.family]
        what = "" if fits else f" that reads {spec.reads}"
        joined = fits and spec.family == "encoder" and "encoder-decoder" in self.task_adapters
        raise ConfigError(
            f"{self.name} does not work with {spec.name!r}, a checkpoint of family {spec.family}{what}. It works "
            f"with {name_list(self.task_adapters)} checkpoints that read {self.reads}."
            + (f"\nFix: give it a decoder, such as model.decoder: {spec.name}" if joined else "")
        )


_NO_USE: Mapping[Setting, str] = {
    "attention": "{kind} reads a decoder as its checkpoint says.",
    "class_weights": "{kind} has no classes.",
    "generation": "nothing is written in {kind}.",
    "label_smoothing": "{kind} has no labels to smooth.",
}
