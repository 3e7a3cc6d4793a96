"""What kinds keep to in which candidates compete, whatever the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.kinds.candidates import ONE_SCORE
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import CandidatesExample

MODEL_TYPES = ("bert", "roberta", "modernbert", "deberta-v2", "gpt2", "llama", "t5", "bart")
WEATHER, CARD, SOUP = "will the rain stop", "who stolen my card today", "too much salt in the soup"
EXAMPLES = [
    CandidatesExample(0, "rain", (WEATHER, CARD), relevances=(1, 0)),
    CandidatesExample(1, "card", (WEATHER, SOUP, CARD), relevances=(0, 0, 1)),
    CandidatesExample(2, "salt", (WEATHER, CARD, SOUP, "cold wind and rain"), relevances=(0, 0, 1, 0)),
    CandidatesExample(3, "cold", ("our team won the cup", "cold wind and rain"), question="rain", relevances=(0, 1)),
]
"""Lists of different lengths, and a candidate that is right here and wrong there."""
every_model_type = pytest.mark.parametrize("model_type", MODEL_TYPES)


def make(folder: Path, kind: str = "multiple-choice", **options: Any) -> TaskAdapter:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return find_kind(kind).task_adapter(spec).make(spec, ONE_SCORE, **options)


def predict(adapter: TaskAdapter, model: Any, examples: Sequence[CandidatesExample], **how: Any) -> list[Any]:
    encoded = adapter.preprocessor.encode(examples, **{"targets": False, **how})
    batch = adapter.preprocessor.collate(encoded.rows.to_list(), training=False)
    arrays = {name: tensor.detach().numpy() for name, tensor in adapter.objective.predict(model, batch).items()}
    return adapter.objective.decode(adapter.objective.finish(arrays, encoded, 0, len(encoded)), examples)


def learn(adapter: TaskAdapter) -> Any:
    torch.manual_seed(0)
    model = adapter.objective.build().model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    rows = adapter.preprocessor.encode(EXAMPLES, targets=True).rows.to_list()
    batch = adapter.preprocessor.collate(rows, training=True, rngs=None)
    for _ in range(80):
        losses_B = adapter.objective.loss(model(**batch.inputs), batch)
        assert losses_B.shape == (4,)
        if losses_B.max() < 0.3:
            return model
        losses_B.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    pytest.fail("not learnt")


@every_model_type
def test_learns_which_candidate_is_right(model_type: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    adapter = make(checkpoint(model_type))
    model = learn(adapter)
    found = predict(adapter, model, EXAMPLES)
    assert [one["position"] for one in found] == [0, 2, 2, 1]
    assert [len(one["scores"]) for one in found] == [2, 3, 4, 2]
    assert all(sum(one["scores"]) == pytest.approx(1) for one in found)
    assert found[1]["choice"] == CARD
    # Alone as in any batch, and in plain transformers as here.
    alone = [predict(adapter, model, [example])[0] for example in EXAMPLES]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-5)
    model.save_pretrained(tmp_path)
    adapter.preprocessor.save(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert again.config.num_labels == 1
    for one, other in zip(found, predict(adapter, again, EXAMPLES), strict=True):
        np.testing.assert_allclose(one["scores"], other["scores"], atol=1e-6)


def test_a_row_holds_the_pairs_of_an_example(checkpoint: Callable[[str], Path]) -> None:
    preprocessor = make(checkpoint("bert")).preprocessor
    example = CandidatesExample(0, "rain", ("card", "the cup"), question="my", relevances=(0, 1))
    encoded = preprocessor.encode([example], targets=True)
    (row,) = encoded.rows.to_list()
    tokens = [" ".join(preprocessor.processor.convert_ids_to_tokens(ids)) for ids in row["input_ids"]]
    assert tokens == ["[CLS] rain [SEP] my card [SEP]", "[CLS] rain [SEP] my the cup [SEP]"]
    assert row["token_type_ids"] == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]]
    assert (row["num_texts"], row["labels"]) == (2, [0.0, 1.0])
    assert encoded.costs.tolist() == [14]
    assert encoded.cut == {"input": 0}


def test_a_batch_pads_no_candidates(checkpoint: Callable[[str], Path]) -> None:
    preprocessor = make(checkpoint("bert")).preprocessor
    rows = preprocessor.encode(EXAMPLES, targets=True).rows.to_list()
    batch = preprocessor.collate(rows, training=True, rngs=None)
    assert len(batch) == 4
    assert batch.inputs["input_ids"].shape[0] == len(batch.lengths) == 11
    assert batch.row_counts == [2, 3, 4, 2]
    assert batch.labels.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    part = batch.take(np.array([3, 1]))
    assert (len(part), part.row_counts) == (2, [2, 3])
    torch.testing.assert_close(part.inputs["input_ids"], batch.inputs["input_ids"][[9, 10, 2, 3, 4]])
    assert part.lengths == [batch.lengths[place] for place in (9, 10, 2, 3, 4)]
    assert part.labels.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert part.num_positions == 5 * batch.inputs["input_ids"].shape[1]


def test_the_loss_is_cross_entropy_over_each_list(checkpoint: Callable[[str], Path]) -> None:
    """Two right answers share it; a list in which nothing is relevant has none, and no gradient."""
    adapter = make(checkpoint("bert"), "text-ranking")
    relevances = ((1, 0), (2, 1, 1), (0, 0, 0, 0))
    examples = [
        CandidatesExample(index, example.text, example.candidates, relevances=numbers)
        for index, (example, numbers) in enumerate(zip(EXAMPLES, relevances, strict=False))
    ]
    rows = adapter.preprocessor.encode(examples, targets=True).rows.to_list()
    batch = adapter.preprocessor.collate(rows, training=True, rngs=None)
    logits_R1 = torch.arange(9.0)[:, None].requires_grad_()
    losses_B = adapter.objective.loss(type("Outputs", (), {"logits": logits_R1}), batch)
    of_two = -np.log(np.exp(0) / (np.exp(0) + np.exp(1)))
    of_three = -(np.array([0.5, 0.25, 0.25]) * np.log(np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum())).sum()
    np.testing.assert_allclose(losses_B.detach().numpy(), [of_two, of_three, 0], rtol=1e-6)
    losses_B.sum().backward()
    assert logits_R1.grad is not None
    assert torch.isfinite(logits_R1.grad).all()
    assert not logits_R1.grad[5:].any()


@pytest.mark.parametrize(("kind", "kept"), [("multiple-choice", "cold"), ("text-ranking", "rain")])
def test_what_is_too_long_loses_the_right_end(kind: str, kept: str, checkpoint: Callable[[str], Path]) -> None:
    """GPT-2 joins a pair: a passage loses its beginning, and a document its end."""
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("gpt2"))))
    built = find_kind(kind)
    options = built.adapter_options(None, None, built.data(train="x"), None)  # type: ignore[arg-type]
    adapter = built.task_adapter(spec).make(spec, ONE_SCORE, max_length=16, options=options)
    long = " ".join(["salt"] * 20)
    texts = (long, "cold") if kind == "multiple-choice" else ("rain", long)
    encoded = adapter.preprocessor.encode([CandidatesExample(0, texts[0], (texts[1],))], targets=False)
    text = adapter.preprocessor.processor.decode(encoded.rows[0]["input_ids"][0])
    assert kept in text
    assert encoded.cut == {"input": 1}
    assert encoded.costs.tolist() == [16]


def test_a_ranking_is_in_order_of_the_scores(checkpoint: Callable[[str], Path]) -> None:
    adapter = make(checkpoint("bert"), "text-ranking")
    model = adapter.objective.build().model.eval()
    for example, found in zip(EXAMPLES, predict(adapter, model, EXAMPLES), strict=True):
        scores = [found["scores"][position] for position in found["ranking"]]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == len(example.candidates)


def test_equal_scores_have_the_loss_of_a_guess(checkpoint: Callable[[str], Path]) -> None:
    adapter = make(checkpoint("bert"))
    encoded = adapter.preprocessor.encode(EXAMPLES, targets=True)
    batch = adapter.preprocessor.collate(encoded.rows.to_list(), training=True, rngs=None)
    losses_B = adapter.objective.loss(type("Outputs", (), {"logits": torch.zeros(11, 1)}), batch)
    assert adapter.objective.constant_loss(EXAMPLES, encoded) == pytest.approx(losses_B.mean().item())
