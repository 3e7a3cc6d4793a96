"""Losses, hits and candidates of hidden tokens, against plain transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows
from ftkit.errors import CheckpointError
from ftkit.kinds.fill_mask import KIND
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import TextExample

ENCODERS = ("bert", "distilbert", "roberta", "deberta-v2", "modernbert", "albert", "xlm-roberta")
TEXTS = ("the cold rain will not stop today", "rain", "who won the game tonight? " * 3)


def adapter_of(folder: Path, **options: Any) -> Any:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    return KIND.task_adapter(spec).make(spec, None, options=options)


def examples(*texts: str) -> list[TextExample]:
    return [TextExample(id=index, text=text) for index, text in enumerate(texts)]


@pytest.mark.parametrize("name", ENCODERS)
@torch.inference_mode()
def test_the_loss_is_transformers_own(name: str, checkpoint: Callable[[str], Path]) -> None:
    adapter = adapter_of(checkpoint(name), mlm_probability=0.4)
    loaded = adapter.objective.build()
    assert not loaded.new_parameters
    assert adapter.objective.warnings(loaded) == []
    encoded = adapter.preprocessor.encode(examples(*TEXTS), targets=True)
    batch, model = tiny.batch_of(adapter, encoded), loaded.model.eval()
    measured = adapter.objective.measure(model(**batch.inputs), batch)
    items = int((batch.labels != -100).sum())
    assert measured["items"].sum() == items == adapter.count_items(encoded)
    expected = model(**batch.inputs, labels=batch.labels).loss.item()
    assert measured["loss"].sum().item() / items == pytest.approx(expected, rel=1e-5)
    assert (measured["num_first"] <= measured["num_in_5"]).all()
    assert (measured["num_in_5"] <= measured["items"]).all()
    torch.testing.assert_close(adapter.objective.loss(model(**batch.inputs), batch), measured["loss"])


def test_hits_are_counted_by_rank(checkpoint: Callable[[str], Path]) -> None:
    objective = adapter_of(checkpoint("bert")).objective
    logits = torch.zeros(2, 3, 10)
    logits[0, 1] = torch.arange(10)  # ids by rank: 9 first, 5 the fifth, 4 the sixth
    logits[0, 2] = torch.arange(10)
    logits[1, 0] = torch.arange(10)
    labels = torch.tensor([[-100, 9, 5], [4, -100, -100]])
    from types import SimpleNamespace

    from ftkit.adapters.rows import Batch

    batch = Batch({"input_ids": torch.zeros(2, 3, dtype=torch.long)}, labels)
    found = objective.measure(SimpleNamespace(logits=logits), batch)
    assert {name: tensor.tolist() for name, tensor in found.items() if name != "loss"} == {
        "items": [2, 1],
        "num_first": [1, 0],
        "num_in_5": [2, 0],
    }


def test_a_head_that_is_not_there_is_told(checkpoint: Callable[[str], Path]) -> None:
    adapter = adapter_of(checkpoint("electra"))  # saved as its authors pretrained it: to tell which tokens are false
    loaded = adapter.objective.build()
    (warning,) = adapter.objective.warnings(loaded)
    assert "holds no head that finds hidden tokens" in warning
    assert "begin at random" in warning


def test_types_without_such_a_head_are_refused(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match="no head that finds hidden tokens for checkpoints of type 'gpt2'"):
        spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("gpt2"))))
        KIND.task_adapters["encoder"].make(spec, None)


@pytest.mark.parametrize("name", ["bert", "roberta", "albert"])
@torch.inference_mode()
def test_candidates_are_those_of_transformers_pipeline(name: str, checkpoint: Callable[[str], Path]) -> None:
    from transformers import pipeline

    adapter = adapter_of(checkpoint(name))
    mask = adapter.preprocessor.processor.mask_token
    rows = examples(f"the {mask} rain will {mask} stop", f"{mask} rain", f"who won {'the game ' * 12} {mask}")
    model = adapter.objective.build().model.eval()
    encoded = adapter.preprocessor.encode(rows, targets=False)
    ((_, _, arrays),) = predict_windows(model, adapter, encoded, BatchLimits(2, 100))
    fill = pipeline("fill-mask", model=str(checkpoint(name)))
    for example, found in zip(rows, adapter.objective.decode(arrays, rows), strict=True):
        expected = fill(example.text)
        for candidates, theirs in zip(found["masks"], [expected] if example.id else expected, strict=True):
            assert [c["token"] for c in candidates] == [their["token_str"].strip() for their in theirs]
            np.testing.assert_allclose([c["score"] for c in candidates], [t["score"] for t in theirs], rtol=1e-4)
        filled = example.text
        for candidates in found["masks"]:
            filled = filled.replace(mask, f"<{candidates[0]['token']}>".replace(mask, "itself"), 1)
        assert found["prediction"].replace(mask, "itself") == filled.replace("<", "").replace(">", "")
