"""Scores of simple methods beside a model's: a number says little until it is known what is easy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftkit.kinds.kind import Kind
from ftkit.metrics.checks import greater_is_better
from ftkit.metrics.scorer import Scorer
from ftkit.metrics.simple_methods import BASELINE
from ftkit.types import Split

if TYPE_CHECKING:
    from ftkit.engine.evaluation import Evaluation


def baseline_scores(
    kind: Kind, scorer: Scorer, metric: str, train: Split | None, split: Split, references: Any
) -> dict[str, float | None]:
    """Returns `baseline_NAME` -> the primary metric of each simple method that the kind knows.

    Args:
        train: what some of them learn from; None where it is not at hand.
        references: what should have been predicted for the rows of the split.
    """
    if not len(split):
        return {}
    predicted = kind.baselines(train, split)
    return {BASELINE + name: scorer.compute(found, references).get(metric) for name, found in predicted.items()}


def unbeaten_warnings(evaluated: Mapping[str, Evaluation], metric: str) -> list[str]:
    """Returns one sentence for each split and simple method that is as good as the model."""
    return [
        f"{name}: the model's {metric} is {found.metrics[metric]:.4f}, and {_shown(key)} alone gives "
        f"{value:.4f}. A model that does not beat it is of no use yet."
        for name, found in evaluated.items()
        for key, value in found.metrics.items()
        if key.startswith(BASELINE) and value is not None and not _is_better(found.metrics.get(metric), value, metric)
    ]


def _is_better(score: float | None, other: float, metric: str) -> bool:
    return score is None or (score > other if greater_is_better(metric) else score < other)


def _shown(key: str) -> str:
    return key.removeprefix(BASELINE).replace("_", " ")
