"""The loss of the best constant prediction is the least that any constant prediction has."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import cells
import tiny
from ftkit.adapters.constant_loss import constant_binary_cross_entropy, constant_cross_entropy
from ftkit.adapters.objectives.labels import LabelObjective
from ftkit.adapters.rows import Batch, Encoded
from ftkit.types import LabelSpace, ProblemType, TextExample

OPTIONS: list[dict[str, Any]] = [
    {},
    {"class_weights": (1.0, 5.0, 0.5)},
    {"label_smoothing": 0.1},
    {"class_weights": (1.0, 5.0, 0.5), "label_smoothing": 0.2},
]
LABELS = {
    "single_label_classification": ["a"] * 6 + ["b"] * 1 + ["c"] * 3,
    "multi_label_classification": [("a",)] * 4 + [("a", "c")] * 3 + [()] * 3,
    "regression": [1.0, 2.0, 2.5, 9.0],
}


def least_loss(objective: LabelObjective, labels: torch.Tensor) -> float:
    """Finds the constant logits with the least loss by descent."""
    logits_L = torch.zeros(len(objective.labels), requires_grad=True)
    optimizer = torch.optim.LBFGS([logits_L], max_iter=200, line_search_fn="strong_wolfe")

    def mean_loss() -> torch.Tensor:
        outputs = SimpleNamespace(logits=logits_L.expand(len(labels), -1))
        return objective.loss(outputs, Batch({}, labels)).mean()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = mean_loss()
        loss.backward()
        return loss

    optimizer.step(closure)
    return mean_loss().item()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("problem", LABELS)
def test_it_is_the_least_loss_of_constant_outputs(problem: ProblemType, options: dict[str, Any]) -> None:
    if problem == "regression":
        options = {}
    names = ("score",) if problem == "regression" else ("a", "b", "c")
    space = LabelSpace(names, problem)
    objective = LabelObjective(SimpleNamespace(labels=space), "", **options)  # type: ignore[arg-type]
    examples = [TextExample(id=row, text="", label=label) for row, label in enumerate(LABELS[problem])]
    labels = torch.as_tensor(objective.references(examples)).float()
    if problem == "single_label_classification":
        labels = labels.long()
    found = objective.constant_loss(examples, Encoded([], np.array([])))
    assert found == pytest.approx(least_loss(objective, labels), abs=1e-4)


def test_examples_of_the_docstring() -> None:
    assert constant_cross_entropy(np.array([50, 50])) == pytest.approx(math.log(2))
    assert constant_cross_entropy(np.array([90, 10])) == pytest.approx(0.325, abs=1e-3)
    assert constant_cross_entropy(np.array([90, 0])) == 0
    assert constant_binary_cross_entropy(np.array([5, 10, 0]), 10) == pytest.approx(math.log(2) / 3)


@pytest.mark.parametrize("name", ["bert", "bert2bert", "gpt2"])
def test_words_and_tokens_are_counted(name: str, checkpoint: Callable[[str], Path]) -> None:
    """Outputs that are the shares' logarithms at every position have the loss that is told."""
    kind = "token-classification" if name == "bert" else "translation"
    adapter = cells.make_adapter(kind, name, checkpoint)
    examples = cells.make_split(kind).examples
    encoded = adapter.preprocessor.encode(examples, targets=True)
    batch = tiny.batch_of(adapter, encoded, training=True)
    size = len(adapter.labels or adapter.preprocessor.target_tokenizer)  # type: ignore[attr-defined]
    real = batch.labels[batch.labels >= 0]
    logits_V = torch.bincount(real, minlength=size).double().log().clamp_min(-1e6)
    outputs = SimpleNamespace(logits=logits_V.expand(*batch.labels.shape, size))
    loss = adapter.objective.loss(outputs, batch).sum() / adapter.count_items(encoded)
    assert adapter.objective.constant_loss(examples, encoded) == pytest.approx(float(loss), rel=1e-5)
