"""What is learnt of pairs: losses and rewards as TRL computes them, of the very same tokens."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from ftkit.adapters.rows import REFERENCE as COLUMN
from ftkit.data.conversations import ConversationExample
from ftkit.data.preferences import PreferenceExample
from preferences import POLICY, REFERENCE, TEXT_PAIRS, make_pairs, make_preferrer, set_weights

TRL = json.loads((Path(__file__).parent / "preference_cases" / "trl.json").read_text())
OURS: dict[str, dict[str, Any]] = {
    "sigmoid": {},
    "sigmoid, beta 0.5": {"beta": 0.5},
    "ipo": {"loss_type": "ipo"},
    "smoothed": {"label_smoothing": 0.1},
    "sft": {"sft_weight": 0.3},
}
"""TRL's case -> options here."""
CLOSE = 1e-5


def text_pair(row: dict[str, str]) -> PreferenceExample:
    sides = [ConversationExample(id=0, prompt=row["prompt"], completion=row[side]) for side in ("chosen", "rejected")]
    return PreferenceExample(0, *sides)


@pytest.fixture
def judged(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    """`judged(num_pairs, **options)`: adapter, model and batch, with a reference, of the pairs that TRL has read."""

    def judge(num_pairs: int, **options: Any) -> tuple[Any, Any, Any]:
        adapter = make_preferrer(checkpoint("llama"), form="prompt", **options)
        encoded = adapter.preprocessor.encode([text_pair(row) for row in TEXT_PAIRS[:num_pairs]], targets=True)
        model = adapter.objective.build().model.eval()
        batch = tiny.batch_of(adapter, encoded)
        set_weights(model, REFERENCE)
        with torch.inference_mode():
            before = adapter.objective.measure(model(**batch.inputs), batch)
        known = torch.stack([before[name] for name in adapter.objective.remembers], dim=1)
        set_weights(model, POLICY)
        return adapter, model, dataclasses.replace(batch, extras={COLUMN: known})

    return judge


@pytest.mark.parametrize("name", list(OURS))
def test_losses_and_rewards_are_those_of_trl(name: str, judged: Any) -> None:
    case = TRL[name]
    num_pairs = len(case["input_ids"]) // 2
    adapter, model, batch = judged(num_pairs, **OURS[name])
    with torch.inference_mode():
        outputs = model(**batch.inputs)
        losses = adapter.objective.loss(outputs, batch)
        found = {key: value.mean().item() for key, value in adapter.objective.measure(outputs, batch).items()}
    assert losses.shape == (num_pairs,)
    assert losses.mean().item() == pytest.approx(case["loss"], abs=CLOSE)
    assert found["loss"] == pytest.approx(case["loss"], abs=CLOSE)
    logged = case["logged"]
    for ours, theirs in {
        "chosen_reward": "rewards/chosen",
        "rejected_reward": "rewards/rejected",
        "num_right": "rewards/accuracies",
        "chosen_log_prob": "logps/chosen",
        "rejected_log_prob": "logps/rejected",
    }.items():
        assert found[ours] == pytest.approx(logged[theirs], abs=CLOSE, rel=1e-6), ours
    mean_reward = (logged["rewards/chosen"] + logged["rewards/rejected"]) / 2
    assert found["kl"] == pytest.approx(-mean_reward / adapter.objective.beta, abs=1e-4)


def test_tokens_and_answers_are_those_of_trl(judged: Any) -> None:
    _, _, batch = judged(3)
    case = TRL["sigmoid"]
    theirs = [row for pair in zip(case["input_ids"][:3], case["input_ids"][3:], strict=True) for row in pair]
    masks = [
        row for pair in zip(case["completion_mask"][:3], case["completion_mask"][3:], strict=True) for row in pair
    ]
    assert batch.inputs["input_ids"].tolist() == theirs
    assert (batch.labels.flatten(0, 1) != -100).long().tolist() == masks


def test_a_model_that_is_its_own_reference_has_the_constant_loss(checkpoint: Callable[[str], Path]) -> None:
    for options, loss in (({}, math.log(2)), ({"loss_type": "ipo", "beta": 0.5}, 1.0)):
        adapter = make_preferrer(checkpoint("gpt2"), **options)
        encoded = adapter.preprocessor.encode(make_pairs(), targets=True)
        batch = tiny.batch_of(adapter, encoded)
        found = adapter.objective.measure(adapter.objective.build().model(**batch.inputs), batch)
        assert found["loss"].tolist() == pytest.approx([loss] * 6)
        assert adapter.objective.constant_loss(make_pairs(), encoded) == pytest.approx(loss)
        assert "chosen_reward" not in found, "there is nothing to compare with"


def test_pairs_are_counted_and_never_tokens(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_preferrer(checkpoint("llama"))
    encoded = adapter.preprocessor.encode(make_pairs(), targets=True)
    assert adapter.count_items(encoded) == 6
    batch = tiny.batch_of(adapter, encoded)
    assert len(batch) == 6
    part = batch.take(torch.tensor([4, 1]).numpy())
    assert part.inputs["input_ids"].tolist() == batch.inputs["input_ids"][[8, 9, 2, 3]].tolist()
    assert part.labels.tolist() == batch.labels[[4, 1]].tolist()
