"""Losses and predictions of classification and regression, as literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import tiny
from ftkit.adapters.objectives.labels import LabelObjective
from ftkit.adapters.rows import Batch
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.predicting import window_size
from ftkit.errors import CheckpointError
from ftkit.types import Label, LabelSpace, ProblemType

MakeAdapter = Callable[..., TaskAdapter]


@pytest.fixture(scope="module")
def make_adapter(checkpoint: Callable[[str], Path]) -> MakeAdapter:
    """An adapter of BERT for labels a, b, c; for regression where the problem type says so."""

    def make(problem_type: ProblemType = "single_label_classification", **options: Any) -> TaskAdapter:
        names = ("score",) if problem_type == "regression" else ("a", "b", "c")
        return tiny.make_adapter(checkpoint("bert"), LabelSpace(names, problem_type), **options)

    return make


LABEL_ARRAYS: list[tuple[ProblemType, Sequence[Label], list[Any]]] = [
    ("single_label_classification", ["c", "a"], [2, 0]),
    ("multi_label_classification", [("c", "a"), ()], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
    ("regression", [2.5, -1.0], [2.5, -1.0]),
]


@pytest.mark.parametrize(("problem_type", "labels", "expected"), LABEL_ARRAYS)
def test_one_item_and_one_reference_a_row(
    problem_type: ProblemType, labels: Sequence[Label], expected: list[Any], make_adapter: MakeAdapter
) -> None:
    split = tiny.make_split(["rain", "sun"], labels)
    adapter = make_adapter(problem_type)
    encoded = adapter.preprocessor.encode(split.examples, targets=True)
    assert adapter.count_items(encoded) == 2
    np.testing.assert_array_equal(adapter.objective.references(split.examples), expected)


# --- losses ---

LOGITS = [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
# -log p of each label: log(e^2 + 2) - 2 and log(e^2 + 2) in the first row, log 3 in the second.
NEAR, FAR, EVEN = 0.2395447662, 2.2395447662, 1.0986122887


def losses(adapter: TaskAdapter, logits: Sequence[Sequence[float]], labels: Sequence[Any]) -> list[float]:
    outputs = SimpleNamespace(logits=torch.tensor(logits))
    return adapter.objective.loss(outputs, Batch(inputs={}, labels=torch.tensor(labels))).tolist()


def test_cross_entropy_is_one_number_a_row(make_adapter: MakeAdapter) -> None:
    assert losses(make_adapter(), LOGITS, [0, 2]) == pytest.approx([NEAR, EVEN])
    assert losses(make_adapter(), LOGITS, [1, 1]) == pytest.approx([FAR, EVEN])


def test_class_weights_scale_the_rows_of_a_class(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(class_weights=(2.0, 1.0, 0.5))
    assert losses(adapter, LOGITS, [0, 2]) == pytest.approx([2 * NEAR, EVEN / 2])


def test_label_smoothing_spreads_the_target_evenly(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter(label_smoothing=0.3)
    expected = [0.7 * NEAR + 0.1 * (NEAR + FAR + FAR), EVEN]
    assert losses(adapter, LOGITS, [0, 2]) == pytest.approx(expected)


def test_weights_and_smoothing_agree_with_torch(make_adapter: MakeAdapter) -> None:
    weights, labels = (2.0, 1.0, 0.5), [0, 1]
    adapter = make_adapter(class_weights=weights, label_smoothing=0.3)
    expected = functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(labels), weight=torch.tensor(weights), label_smoothing=0.3
    )
    # torch divides by the weights of the labels, not by the rows.
    assert sum(losses(adapter, LOGITS, labels)) / sum(weights[label] for label in labels) == pytest.approx(
        expected.item()
    )


def test_multi_label_loss_is_a_mean_over_labels(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter("multi_label_classification")
    # log(1 + e^-1) for a sure and right answer, log(1 + e) for a sure and wrong one, log 2 for none.
    expected = (0.3132616875 + 1.3132616875 + 0.6931471806) / 3
    assert losses(adapter, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])


def test_multi_label_weights_and_smoothing(make_adapter: MakeAdapter) -> None:
    weighted = make_adapter("multi_label_classification", class_weights=(3.0, 1.0, 1.0))
    expected = (3 * 0.3132616875 + 1.3132616875 + 0.6931471806) / 3
    assert losses(weighted, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])
    smoothed = make_adapter("multi_label_classification", label_smoothing=0.2)
    right, wrong = 0.9 * 0.3132616875 + 0.1 * 1.3132616875, 0.9 * 1.3132616875 + 0.1 * 0.3132616875
    expected = (right + wrong + 0.6931471806) / 3
    assert losses(smoothed, [[1.0, 1.0, 0.0]], [[1.0, 0.0, 1.0]]) == pytest.approx([expected])


def test_regression_loss_is_the_squared_error(make_adapter: MakeAdapter) -> None:
    adapter = make_adapter("regression")
    assert losses(adapter, [[1.5], [-2.0]], [1.0, 1.0]) == pytest.approx([0.25, 9.0])


@pytest.mark.parametrize(("problem_type", "labels", "_"), LABEL_ARRAYS)
def test_the_mean_loss_is_that_of_transformers(
    problem_type: ProblemType, labels: Sequence[Label], _: Any, make_adapter: MakeAdapter
) -> None:
    adapter = make_adapter(problem_type)
    split = tiny.make_split(["rain", "no sun"], labels)
    batch = tiny.batch_of(adapter, adapter.preprocessor.encode(split.examples, targets=True))
    outputs = adapter.objective.build().model.eval()(**batch.inputs, labels=batch.labels)
    assert adapter.objective.loss(outputs, batch).mean().item() == pytest.approx(outputs.loss.item())


# --- predictions ---


def predictions(adapter: TaskAdapter, logits: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    split = tiny.make_split(["rain"] * len(logits))
    model: Any = lambda **_: SimpleNamespace(logits=torch.tensor(logits))  # noqa: E731
    encoded = adapter.preprocessor.encode(split.examples, targets=False)
    results = adapter.objective.predict(model, tiny.batch_of(adapter, encoded))
    assert results is not None
    arrays = {name: tensor.numpy() for name, tensor in results.items()}
    finished = adapter.objective.finish(arrays, encoded, 0, len(encoded))
    return list(adapter.objective.decode(finished, split.examples))


def test_predicts_one_label(make_adapter: MakeAdapter) -> None:
    (prediction,) = predictions(make_adapter(), [[0.0, 2.0, 0.0]])
    share = pytest.approx(0.1065069, abs=1e-6)  # 1 / (e^2 + 2)
    best = pytest.approx(0.7869861, abs=1e-6)
    assert prediction == {"label": "b", "score": best, "scores": {"a": share, "b": best, "c": share}}


def test_predicts_several_labels(make_adapter: MakeAdapter) -> None:
    some, none = predictions(make_adapter("multi_label_classification"), [[1.0, -1.0, 0.0], [-1.0] * 3])
    assert some["label"] == ["a", "c"]
    assert some["scores"] == {"a": pytest.approx(0.7310586), "b": pytest.approx(0.2689414), "c": 0.5}
    assert none["label"] == []


MANY = LabelSpace(tuple(f"label {number}" for number in range(2_000)))


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_of_many_labels_the_likeliest_have_scores(problem_type: ProblemType) -> None:
    space = LabelSpace(MANY.names, problem_type)
    objective = LabelObjective(SimpleNamespace(labels=space), "")  # type: ignore[arg-type]
    logits = torch.linspace(-9, 1, 2_000)[torch.randperm(2_000)][None]
    arrays = {name: tensor.numpy() for name, tensor in objective.reduce(SimpleNamespace(logits=logits)).items()}
    (row,) = objective.decode(arrays, [None])
    order = np.argsort(-logits[0].numpy())
    assert list(row["top_scores"]) == [MANY.names[index] for index in order[:100]]
    assert row["score"] == next(iter(row["top_scores"].values()))
    assert "scores" not in row
    assert row.keys() == objective.no_prediction().keys()
    likely = [MANY.names[index] for index in np.flatnonzero(logits[0].numpy() >= 0)]
    is_multi = problem_type == "multi_label_classification"
    assert row["label"] == (likely if is_multi else MANY.names[order[0]])


def test_windows_are_smaller_where_labels_are_many() -> None:
    sizes = [
        window_size(SimpleNamespace(labels=labels, objective=SimpleNamespace(window=None)))  # type: ignore[arg-type]
        for labels in (None, range(77), range(16_384), range(100_000), range(10**9))
    ]
    assert sizes == [4_096, 4_096, 4_096, 671, 64]


def test_predicts_numbers(make_adapter: MakeAdapter) -> None:
    assert predictions(make_adapter("regression"), [[1.5], [-2.0]]) == [{"score": 1.5}, {"score": -2.0}]


# --- checkpoints ---


def test_a_model_type_without_a_classifier_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    from transformers import M2M100Config

    M2M100Config().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="no text classifier for checkpoints of type 'm2m_100'"):
        tiny.make_adapter(tmp_path, LabelSpace(("a", "b")))
