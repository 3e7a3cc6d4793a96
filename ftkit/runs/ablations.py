"""Scores of a model with a part of each input blanked: one that hardly falls tells that the model does not use it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftkit.adapters.rows import EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine import evaluation
from ftkit.kinds.kind import Kind
from ftkit.metrics.checks import greater_is_better
from ftkit.metrics.scorer import Scorer
from ftkit.types import Split

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ftkit.engine.batching import BatchLimits

NUM_ROWS = 200
"""Rows that are scored so, at equal distances: enough to see whether a part is used."""

HARDLY = 0.95
"""From this share of the score on, what is left without the part, the part is hardly used."""


def ablated_scores(
    kind: Kind,
    model: PreTrainedModel,
    adapter: TaskAdapter,
    split: Split,
    scorer: Scorer,
    metric: str,
    limits: BatchLimits,
    *,
    autocast: torch.dtype | None = None,
) -> dict[str, float | None]:
    """Returns `NAME_METRIC` -> the primary metric of a sample of a split for each part that the kind can blank.

    All processes call it together.
    """
    if not kind.ablations or not len(split):
        return {}
    count = min(NUM_ROWS, len(split))
    chosen = [split.examples[place * len(split) // count] for place in range(count)]
    found: dict[str, float | None] = {}
    for name, blanked in kind.ablations.items():
        sample = dataclasses.replace(split, examples=[blanked(example) for example in chosen])
        encoded = EncodedToScore(adapter.preprocessor.encode(sample.examples, targets=False))
        scored = evaluation.evaluate(
            model, adapter, sample, encoded, scorer, limits, autocast=autocast, to_be_read=False
        )
        found[f"{name}_{metric}"] = scored.metrics.get(metric)
    return found


def unused_warnings(kind: Kind, evaluated: Mapping[str, Any], metric: str) -> list[str]:
    """Returns one sentence for each split and part whose blanking hardly changes the score."""
    if not greater_is_better(metric):
        return []
    found = []
    for split, evaluation_ in evaluated.items():
        score = evaluation_.metrics.get(metric)
        for name in kind.ablations:
            left = evaluation_.metrics.get(f"{name}_{metric}")
            if score and left is not None and left >= HARDLY * score:
                found.append(
                    f"{split}: the model's {metric} is {score:.4f}, and {left:.4f} with {name.replace('_', ' ')} on a "
                    "sample: it hardly uses that part of its input."
                )
    return found
