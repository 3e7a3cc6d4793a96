"""A task: what is to be learnt, as data. It knows no model and imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ftkit.types import ProblemType


class Named(Protocol):
    """What a task has to know of its kind."""

    @property
    def name(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt. A config's own `data` keys win over what a task declares.

    Attributes:
        name: for people; also the task's name in results and on the model card.
        kind: the Hub's pipeline tag, such as `text-classification`; or an ftkit.Kind of one's own.
        columns: role -> column of the user's files, such as `{"text": "body", "label": "intent"}`.
        labels: all label names in output order; None takes those of the training data, sorted naturally.
        problem_type: None means one label per example.
        metrics: names from `ftkit.metrics`, or `hub:owner/name`; empty means the kind's own.
        primary_metric: the number that picks the best checkpoint, such as `f1_macro`; None: the kind's own.
        prepare: called with each row's cells (a dict) before columns are looked up; returns the cells to use.
    """

    name: str
    kind: str | Named
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    problem_type: ProblemType | None = None
    metrics: tuple[str, ...] = ()
    primary_metric: str | None = None
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    @property
    def kind_name(self) -> str:
        """The name of the kind."""
        return self.kind if isinstance(self.kind, str) else self.kind.name

    def prepared(self, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns a row's cells, as the task prepares them."""
        return cells if self.prepare is None else self.prepare(dict(cells))
