"""What every decoder that answers keeps to: it learns answers by heart, stops by itself, and does so when saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from chats import TALKS, make_talk, make_talker
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows

ONE_TURN = [make_talk(*talk, line=line) for line, talk in enumerate(TALKS, 1)]
ANSWERS = [answer for _, answer in TALKS]
LIMITS = BatchLimits(64, 4096)
MAX_STEPS, LEARNING_RATE = 200, 5e-3

NAMES = ("llama", "qwen2", "gpt2", "gpt_neox", "opt")
every_decoder = pytest.mark.parametrize("name", NAMES)


@torch.inference_mode()
def answer(adapter: Any, model: Any, examples: Any) -> list[dict[str, Any]]:
    encoded = adapter.preprocessor.encode(examples, targets=False)
    ((_, _, arrays),) = predict_windows(model, adapter, encoded, LIMITS)
    return adapter.objective.decode(arrays, examples)


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path]) -> Callable[[str], tuple[Any, Any]]:
    """`trained("llama")` is an adapter and its model after it has learnt six answers by heart; made once."""
    made: dict[str, tuple[Any, Any]] = {}

    def train(name: str) -> tuple[Any, Any]:
        if name not in made:
            made[name] = learn_by_heart(make_talker(checkpoint(name)))
        return made[name]

    return train


def learn_by_heart(adapter: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    adapter.preprocessor.fit(ONE_TURN)
    encoded = adapter.preprocessor.encode(ONE_TURN, targets=True)
    model: Any = adapter.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    batch = tiny.batch_of(adapter, encoded)
    for step in range(MAX_STEPS):
        loss = adapter.objective.loss(model(**batch.inputs), batch).sum() / adapter.count_items(encoded)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 9 and loss < 0.1:
            return adapter, model
    pytest.fail(f"not learnt in {MAX_STEPS} steps: {answer(adapter, model, ONE_TURN)}")


@every_decoder
def test_answers_by_heart_and_stops_by_itself(name: str, trained: Any) -> None:
    adapter, model = trained(name)
    rows = answer(adapter, model, ONE_TURN)
    assert [row["prediction"] for row in rows] == ANSWERS
    assert [row["cut_off"] for row in rows] == [False] * len(rows)
    assert [answer(adapter, model, [one])[0] for one in ONE_TURN] == rows, "alone as in a padded batch"
    assert model.generation_config.eos_token_id[0] == adapter.preprocessor.end_id


@every_decoder
def test_measures_are_those_of_the_answers(name: str, trained: Any) -> None:
    adapter, model = trained(name)
    encoded = adapter.preprocessor.encode(ONE_TURN, targets=True)
    batch = tiny.batch_of(adapter, encoded)
    with torch.inference_mode():
        found = adapter.objective.measure(model(**batch.inputs), batch)
    assert found["items"].tolist() == [(row != -100).sum() for row in batch.labels]
    assert int(found["items"].sum()) == adapter.count_items(encoded)
    assert found["num_first"].tolist() == found["items"].tolist(), "learnt by heart"


@every_decoder
def test_plain_transformers_answers_the_same(name: str, trained: Any, tmp_path: Path) -> None:
    from transformers import pipeline

    adapter, model = trained(name)
    model.save_pretrained(tmp_path)
    adapter.preprocessor.save(tmp_path)
    write = pipeline("text-generation", model=str(tmp_path))
    asked = [[dict(message) for message in example.asked] for example in ONE_TURN]
    written = [write(messages, do_sample=False, return_full_text=False)[0]["generated_text"] for messages in asked]
    assert [text.strip() for text in written] == ANSWERS


def test_an_answer_is_told_word_by_word(trained: Any) -> None:
    adapter, model = trained("llama")
    told: list[str] = []
    encoded = adapter.preprocessor.encode(ONE_TURN[1:2], targets=False)
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__([0]), training=False, rngs=None)
    with torch.inference_mode():
        found = adapter.objective.stream(model, batch, told.append)
    assert found == {"prediction": ANSWERS[1], "cut_off": False}
    assert "".join(told).strip() == ANSWERS[1]
    assert len(told) > 3
    assert adapter.objective.talks
