"""Models that are judged by what adds up over rows, such as losses and hits, and not by predictions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ftkit.adapters.objective import ObjectiveBase
from ftkit.adapters.rows import Batch, Encoded, EncodedToScore
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.batching import BatchLimits
from ftkit.engine.evaluation import evaluate, mean_loss, row_measures
from ftkit.errors import DataError
from ftkit.metrics.scorer import make_scorer
from ftkit.metrics.spec import MetricGroup
from ftkit.types import Split, TextExample

LIMITS = BatchLimits(2, 100)


class ListRows(list[dict[str, Any]]):
    """Rows that are no datasets.Dataset."""

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self[index] for index in indices]


class Numbers:
    """Makes batches of rows with one number each."""

    def collate(self, rows: Any, *, training: bool, rngs: Any) -> Batch:
        return Batch({"numbers": torch.tensor([row["number"] for row in rows], dtype=torch.float32)})


class Measured(ObjectiveBase):
    """Has as much loss in a row as its number, in two items of which one is right."""

    is_measured = True

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        return outputs

    def measure(self, outputs: Any, batch: Batch) -> dict[str, torch.Tensor]:
        items = torch.where(outputs > 0, 2, 0)
        return {"loss": self.loss(outputs, batch), "items": items, "num_right": items // 2}

    def items(self, encoded: Encoded) -> np.ndarray:
        return np.full(encoded.num_rows, 2)


class Echo(torch.nn.Module):
    """Returns its input."""

    device = torch.device("cpu")

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers


def made(*numbers: float, first_rows: list[int] | None = None) -> tuple[Any, Any, Encoded]:
    costs = np.arange(len(numbers), 0, -1)  # so that batches are not in the order of the rows
    first = None if first_rows is None else np.array(first_rows)
    encoded = Encoded(ListRows({"number": number} for number in numbers), costs, first_rows=first)
    return Echo(), TaskAdapter(Numbers(), Measured()), encoded  # type: ignore[arg-type]


def split_of(num: int) -> Split[TextExample]:
    return Split("test", "texts.txt", [TextExample(id=index, text="x", line=index + 1) for index in range(num)])


def test_measures_come_in_the_order_of_the_rows() -> None:
    model, adapter, encoded = made(1, 2, 3, 4, 5)
    measures = row_measures(model, adapter, encoded, LIMITS)
    assert {name: array.tolist() for name, array in measures.items()} == {
        "loss": [1, 2, 3, 4, 5],
        "items": [2] * 5,
        "num_right": [1] * 5,
    }
    assert mean_loss(model, adapter, encoded, LIMITS) == 1.5


def test_the_loss_is_per_item_and_measures_add_up_by_example() -> None:
    model, adapter, encoded = made(1, 2, 3, 4, 0, first_rows=[0, 2, 2, 5])
    scorer = make_scorer([], MetricGroup(name="totals"))
    found = evaluate(model, adapter, split_of(3), EncodedToScore(encoded), scorer, LIMITS)
    assert found.metrics == {"loss": 10 / 8}
    assert found.measures["loss"].tolist() == [3, 0, 7]
    assert found.measures["num_right"].tolist() == [2, 0, 2]
    assert len(found.predictions) == 0


def test_the_targets_are_measured_where_they_are_rows_of_their_own() -> None:
    model, adapter, encoded = made(6)
    scorer = make_scorer([], MetricGroup(name="totals"))
    rows = EncodedToScore(made(1, 1)[2], encoded)
    assert evaluate(model, adapter, split_of(1), rows, scorer, LIMITS).metrics == {"loss": 3}


def test_rows_without_anything_to_predict_are_one_message() -> None:
    model, adapter, encoded = made(0, 0)
    scorer = make_scorer([], MetricGroup(name="totals"))
    with pytest.raises(DataError, match=r"texts\.txt: nothing in its 2 rows can be predicted"):
        evaluate(model, adapter, split_of(2), EncodedToScore(encoded), scorer, LIMITS)


def test_what_is_judged_by_predictions_measures_its_loss() -> None:
    class Plain(ObjectiveBase):
        def loss(self, outputs: Any, batch: Any) -> Any:
            return outputs

    assert not Plain().is_measured
    assert Plain().measure("loss of rows", SimpleNamespace()) == {"loss": "loss of rows"}
