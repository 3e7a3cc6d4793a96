"""One short row is tried before anything is written: what cannot be computed is one message; nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

import cells
import ftkit
import tiny
from ftkit.engine.trial import check_computes
from ftkit.errors import CheckpointError, OutOfMemory
from runs import run_config

Tried = tuple[Any, Callable[[], None], int]


@pytest.fixture
def tried(checkpoint: Callable[[str], Path], tmp_path: Path) -> Tried:
    """A model in training, what tries it on rows of several lengths, and the shortest of these."""
    adapter = cells.make_adapter("text-classification", "bert", checkpoint)
    model = adapter.objective.build().model.train()
    rows = adapter.preprocessor.encode(cells.make_split("text-classification").examples, targets=True)
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    return model, lambda: check_computes(model, adapter, rows, arguments, tuner="lora"), int(min(rows.costs))


def test_a_trial_changes_nothing_and_sees_the_shortest_row(tried: Tried) -> None:
    model, try_it, shortest = tried
    widths: list[tuple[int, ...]] = []
    model.bert.embeddings.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    before = torch.get_rng_state()
    try_it()
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    assert widths == [(1, shortest)]


@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [
        (ValueError("You have to specify bbox\nand more"), CheckpointError, "It says ValueError: You have to specify"),
        (KeyError("boxes"), CheckpointError, "with what tuner.method: lora puts on it"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "out of memory"),
        (OutOfMemory("too small"), OutOfMemory, "too small"),
        (OSError(28, "No space left on device"), OSError, "No space left"),
    ],
)
def test_what_a_model_says_is_told_and_what_a_machine_says_is_left_to_others(
    error: Exception, raised: type[Exception], reason: str, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, try_it, _ = tried

    def forward(**inputs: Any) -> None:
        raise error

    monkeypatch.setattr(model, "forward", forward)
    with pytest.raises(raised, match=reason):
        try_it()
    assert model.training


def _without(folder: Path, key: str) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({name: value for name, value in json.loads(file.read_text()).items() if name != key}))
    return folder


def test_a_run_ends_before_anything_is_written(tmp_path: Path) -> None:
    """A T5 whose config lacks the token that its decoder starts with."""
    model = _without(tiny.make_checkpoint("t5", tmp_path / "model"), "decoder_start_token_id")
    for config in (run_config(tmp_path, model), run_config(tmp_path, model, tuner={"method": "lora"})):
        with pytest.raises(CheckpointError, match=r"of type 't5', cannot compute a row of train.*decoder_start_token"):
            ftkit.train(config)
        assert not (tmp_path / "run").exists()
