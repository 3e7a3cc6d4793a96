"""`Scorer`: the metrics of one task, computed together into one flat result; and the factory of all scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike

from ftkit.metrics.spec import MetricGroup
from ftkit.own_code import find_own
from ftkit.types import LabelSpace


class Scorer(Protocol):
    """Computes the metrics of a run.

    Attributes:
        names: the metrics, as given.
        keys: the keys whose values `compute` returns, without details such as `per_label` or `bleu_signature`.
        needs_scores: whether `compute` must be given probabilities.
        reads_predictions: whether `compute` tells more than totals do; see `compute_totals`.
        facts: what the values depend on and results name beside them, such as the positive label.
        notes: key -> why its value in the last result is None, or means little.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    needs_scores: bool
    reads_predictions: bool
    notes: dict[str, str]

    @property
    def facts(self) -> Mapping[str, Any]: ...  # noqa: D102

    def compute(
        self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None = None
    ) -> dict[str, Any]:
        """Returns the value of every metric, and details such as `per_label`.

        Args:
            predictions: one for each row, (N, ...), in the shape of the metric group.
            references: the same shape.
            scores: probabilities (N, L); required if `needs_scores`.

        Raises:
            DataError: if a shape or a label does not fit.
        """
        ...

    def compute_totals(self, totals: Mapping[str, float]) -> dict[str, Any]:
        """Returns the value of every metric of a model that is judged by what adds up over rows.

        Args:
            totals: name -> sum over all rows, such as `loss`, `items` and counts of hits.
        """
        ...


def make_scorer(
    names: Sequence[str],
    group: MetricGroup,
    *,
    labels: LabelSpace | None = None,
    options: Mapping[str, Any] | None = None,
) -> Scorer:
    """Returns what computes the metrics of a group.

    Built-in metrics are imported at the first `compute`; external ones are loaded and tried at once, so that one that
    is missing or unfit stops a run before it trains.

    Args:
        names: names of built-in metrics, or of external ones: `hub:owner/name`, the path of an evaluate script,
            `file.py:NAME`, `package.module:NAME`.
        labels: in the order of the model's outputs; None where the group needs none.
        options: the kind's own, by name; those that `MetricGroup.arguments` names are read.

    Raises:
        ConfigError: for a metric or option that is unknown, unsuited or cannot be used.
    """
    given = {**(options or {}), "labels": labels}  # an option may be called labels too: the names that a user wants
    arguments = {name: given[name] for name in group.arguments if name in given}
    return find_own(group.scorer)(names, group, **arguments)
