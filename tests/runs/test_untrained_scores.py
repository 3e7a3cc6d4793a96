"""What a checkpoint scores before it is trained stands beside the result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ftkit.engine.batching import BatchLimits
from ftkit.runs import steps


def test_it_is_scored_on_the_device_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def evaluate(model: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(next(model.parameters()).device.type)
        return SimpleNamespace(metrics={"accuracy": 0.5})

    monkeypatch.setattr(steps.evaluation, "evaluate", evaluate)
    run: Any = SimpleNamespace(splits={"test": None}, scorer=None, primary_metric="accuracy")
    adapter: Any = SimpleNamespace(objective=SimpleNamespace(starts_trained=True))
    model, to_score, device = torch.nn.Linear(2, 2), {"test": None}, torch.device("meta")
    found = steps.untrained_scores(run, model, adapter, to_score, BatchLimits(1, 1), device)  # type: ignore[arg-type]
    assert (found, seen) == ({"test": 0.5}, ["meta"])
