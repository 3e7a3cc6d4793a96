"""Answers over windows: the best spans, the loss, silence, and the threshold that is settled on validation."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from ftkit.types import PredictedAnswer
from questions import make_answerer, make_questions

Checkpoint = Callable[[str], Path]
ROWS = [("who won the cup", "our team won the cup", "our team"), ("who", "the rain", "")]


class Model:
    """Gives the logits that it is made with, (B, T) each."""

    def __init__(self, starts: Any, ends: Any) -> None:
        self.outputs = SimpleNamespace(start_logits=torch.tensor(starts), end_logits=torch.tensor(ends))

    def __call__(self, **inputs: Any) -> Any:
        return self.outputs


def predict(answerer: Any, starts: Any, ends: Any, rows: Any = ROWS) -> tuple[dict[str, np.ndarray], Any]:
    encoded = answerer.preprocessor.encode(make_questions(rows), targets=False)
    model: Any = Model(starts, ends)
    found = answerer.objective.predict(model, tiny.batch_of(answerer, encoded))
    return {name: tensor.numpy() for name, tensor in found.items()}, encoded


def logits(width: int, **values: float) -> list[float]:
    return [float(values.get(f"at{place}", 0.0)) for place in range(width)]


def test_the_best_span_is_the_largest_sum_that_does_not_run_backwards(checkpoint: Checkpoint) -> None:
    answerer = make_answerer(checkpoint("bert"), no_answer=False)
    # [CLS] who won the cup [SEP] our team won the cup [SEP]: the text is at 6 to 10. The question and [SEP] score
    # high, and so does an end before the best start.
    starts = logits(12, at1=90, at7=5, at11=90)
    ends = logits(12, at2=90, at6=8, at8=3, at9=4)
    arrays, encoded = predict(answerer, [starts], [ends], ROWS[:1])
    assert arrays["logits"][0, :3].tolist() == [9.0, 8.0, 8.0]
    assert (arrays["span_starts"][0, 0], arrays["span_ends"][0, 0]) == (1, 3)
    (row,) = answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, 1), make_questions(ROWS[:1]))
    assert (row["answer"], row["start"], row["end"]) == ("team won the", 4, 16)
    assert "no_answer_score" not in row
    assert len(row["n_best"]) == 1
    # Fifteen spans of five tokens; the probability is that of all of them.
    sums = [starts[first] + ends[last] for first in range(6, 11) for last in range(first, 11)]
    assert row["score"] == pytest.approx(math.exp(9) / sum(map(math.exp, sums)))


def test_no_answer_is_longer_than_it_may_be(checkpoint: Checkpoint) -> None:
    answerer = make_answerer(checkpoint("bert"), no_answer=False, max_answer_length=2)
    arrays, encoded = predict(answerer, [logits(12, at6=5)], [logits(12, at10=9, at7=1)], ROWS[:1])
    found = answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, 1), make_questions(ROWS[:1]))
    assert found[0]["answer"] == "the cup"
    assert int(np.isfinite(arrays["logits"]).sum()) == 9


def test_windows_are_compared_by_raw_logits(checkpoint: Checkpoint) -> None:
    """The second window is surer of its own best span, by a softmax over itself; the first has the larger sum."""
    answerer = make_answerer(checkpoint("bert"), max_length=27, window_overlap=0)
    text = " ".join(["rain"] * 20 + ["sun"] * 20)
    rows = [("who won the cup", text, None)]
    encoded = answerer.preprocessor.encode(make_questions(rows), targets=False)
    assert encoded.num_rows == 2
    starts = [logits(27, at0=1, at6=8, at8=7.9), logits(27, at0=-3, at7=6)]
    ends = [logits(27, at0=1, at6=8, at8=7.9), logits(27, at0=-3, at7=6)]
    arrays, encoded = predict(answerer, starts, ends, rows)
    (found,) = answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, 1), make_questions(rows))
    assert (found["answer"], found["start"]) == ("rain", 0)
    # Of no answer the smallest sum of all windows counts: -6, and not 2, against 16.
    assert found["no_answer_score"] == pytest.approx(1 / (1 + math.exp(22)))


def test_the_same_span_of_two_windows_is_one(checkpoint: Checkpoint) -> None:
    answerer = make_answerer(checkpoint("bert"), max_length=27, window_overlap=8, n_best=20)
    text = " ".join(f"{word}" for word in ["rain", "sun"] * 14)
    rows = [("who won the cup", text, None)]
    width = 27
    arrays, encoded = predict(answerer, [logits(width)] * 2, [logits(width)] * 2, rows)
    assert encoded.num_rows == 2
    (found,) = answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, 1), make_questions(rows))
    places = [(entry["start"], entry["end"]) for entry in found["n_best"]]
    assert len(places) == len(set(places)) == 20


def test_the_loss_is_the_mean_of_start_and_end_among_text_and_no_answer(checkpoint: Checkpoint) -> None:
    answerer = make_answerer(checkpoint("bert"))
    batch = tiny.batch_of(answerer, answerer.preprocessor.encode(make_questions(ROWS), targets=True))
    generator = torch.Generator().manual_seed(0)
    outputs = SimpleNamespace(
        start_logits=torch.randn(2, 12, generator=generator), end_logits=torch.randn(2, 12, generator=generator)
    )
    found = answerer.objective.loss(outputs, batch)
    for row, places, labels in ((0, [0, 6, 7, 8, 9, 10], (6, 7)), (1, [0, 3, 4], (0, 0))):
        terms = [
            -outputs_[row, places].log_softmax(dim=0)[places.index(label)]
            for outputs_, label in zip((outputs.start_logits, outputs.end_logits), labels, strict=True)
        ]
        torch.testing.assert_close(found[row], (terms[0] + terms[1]) / 2)
    assert answerer.count_items(answerer.preprocessor.encode(make_questions(ROWS), targets=True)) == 2


def test_what_is_nan_is_no_answer(checkpoint: Checkpoint) -> None:
    answerer = make_answerer(checkpoint("bert"))
    arrays, encoded = predict(answerer, [logits(12, at7=math.nan)], [logits(12)], ROWS[:1])
    assert np.isnan(answerer.objective.finish(arrays, encoded, 0, 1)["confidences"]).all()


def settled(rows: list[tuple[PredictedAnswer, tuple[str, ...]]], checkpoint: Checkpoint, **options: Any) -> Any:
    objective = make_answerer(checkpoint("bert"), **options).objective
    predictions, references = np.empty(len(rows), object), np.empty(len(rows), object)
    for place, (answer, texts) in enumerate(rows):
        predictions[place], references[place] = answer, texts
    if objective.settles:
        objective.settle({"predictions": predictions}, references)
    return objective


def test_the_threshold_is_settled_on_validation(checkpoint: Checkpoint) -> None:
    rows: list[Any] = [
        (PredictedAnswer("a", "a", 0.1), ("a",)),
        (PredictedAnswer("b", "b", 0.3), ("b",)),
        (PredictedAnswer("", "c", 0.8), ()),
        (PredictedAnswer("", "d", 0.9), ("e",)),
    ]
    found = settled(rows, checkpoint)
    assert found.threshold == pytest.approx(0.55)  # between the last right answer and the first right silence
    assert found.resolved_options == {"no_answer_threshold": found.threshold}
    assert settled(rows, checkpoint, no_answer_threshold=0.7).threshold == 0.7
    assert settled(rows[:2], checkpoint).threshold == 0.5  # every question has an answer: nothing can be told
    always = settled(rows, checkpoint, no_answer=False)
    assert always.threshold is None
    assert always.resolved_options == {}


def test_a_row_that_cannot_be_predicted_has_the_same_columns(checkpoint: Checkpoint) -> None:
    for no_answer in (False, True):
        answerer = make_answerer(checkpoint("bert"), no_answer=no_answer)
        arrays, encoded = predict(answerer, [logits(12)], [logits(12)], ROWS[:1])
        (row,) = answerer.objective.decode(answerer.objective.finish(arrays, encoded, 0, 1), make_questions(ROWS[:1]))
        assert row.keys() == answerer.objective.no_prediction().keys()
