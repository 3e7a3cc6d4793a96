"""The protocol of a kind's module: how rows become examples, labels and scores. One module per kind fulfils it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ftkit.data.check import Problems
from ftkit.data.readers import Table
from ftkit.data.spec import DataSpec
from ftkit.tasks.task import Task
from ftkit.types import LabelSpace, ScoreType, Split


class KindModule(Protocol):
    """What `ftkit.tasks.kind_module` returns. A run calls it from top to bottom, `Predictor` in parts.

    Attributes:
        TASK: the kind itself as a task, for configs that name no other.
        ROLES: role of a column -> what it is, for messages.
    """

    TASK: Task
    ROLES: Mapping[str, str]

    def columns_of(self, task: Task, spec: DataSpec) -> dict[str, str]:
        """Returns role -> column: the kind's own names, then the task's, then the config's."""
        ...

    def scored_as(self, task: Task, spec: DataSpec) -> ScoreType:
        """Returns what decides which metrics suit."""
        ...

    def read_examples(
        self, table: Table, task: Task, columns: Mapping[str, str], spec: DataSpec, *, with_labels: bool
    ) -> Iterator[Any]:
        """Turns rows into examples one by one; what is wrong with them is for `resolve` and `check` to say."""
        ...

    def resolve(
        self, splits: Mapping[str, Split], task: Task, spec: DataSpec, problems: Problems
    ) -> tuple[Mapping[str, Split], DataSpec]:
        """Brings examples into the form that is learnt, where that takes all splits; the spec tells what it found."""
        ...

    def fit_labels(self, train: Split, task: Task, spec: DataSpec) -> LabelSpace | None:
        """Returns the labels in output order; None for kinds that write text."""
        ...

    def check(self, splits: Mapping[str, Split], labels: Any, task: Task, spec: DataSpec, problems: Problems) -> None:
        """Reports everything that is wrong with the examples of a run, by file and row."""
        ...

    def check_known_labels(self, split: Split, labels: Any, problems: Problems) -> None:
        """Reports labels of rows to be scored that a finished run cannot predict."""
        ...

    def adapter_options(self, train: Split, labels: Any, spec: DataSpec, **settings: Any) -> dict[str, Any]:
        """Returns what the adapter is made with, plain values that are saved with the run."""
        ...

    def blocks(self, problem_type: ScoreType) -> tuple[str, ...]:
        """Returns what the report shows of predictions, in order: names of `ftkit.report.table`."""
        ...

    def reading(self, problem_type: ScoreType) -> str:
        """Returns how the report tells predictions in words: a name of `ftkit.report.table`."""
        ...

    def make_scorer(self, names: Sequence[str], labels: Any, spec: DataSpec) -> Any:
        """Returns what computes the metrics of a run."""
        ...

    def saved_labels(self, config: Mapping[str, Any]) -> LabelSpace | None:
        """Returns the labels of a saved run from its `config.json`."""
        ...

    def input_example(self, position: int, item: Any) -> Any:
        """Returns an input of `Predictor.predict` as an example."""
        ...

    def check_inputs(self, split: Split, problems: Problems) -> None:
        """Reports rows that cannot be predicted."""
        ...

    def shown_example(self, example: Any, predicted: Any, labels: Any) -> dict[str, Any]:
        """Returns `text`, `expected` and `predicted` of one example, for the end of a run on the screen."""
        ...
