"""How large a batch and its parts are, by config and by machine."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ftkit.config.run_config import load_config
from ftkit.config.train import TrainSpec
from ftkit.engine.batching import PART_COST, StepSize
from ftkit.engine.training import step_size

CONFIG = {
    "task": "text-classification",
    "model": {"checkpoint": "x"},
    "data": {"train": "a.csv"},
    "output_dir": "runs/x",
}


def spec_of(train: dict[str, int]) -> TrainSpec:
    return load_config({**CONFIG, "train": train}).train


def on(device: str, **arguments: Any) -> Any:
    return SimpleNamespace(device=torch.device(device), **{"fsdp": None, "deepspeed_plugin": None, **arguments})


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({}, StepSize(rows=32, cost=4_096, max_cost_at_once=4_096)),
        ({"per_device_train_batch_size": 512}, StepSize(rows=512, cost=None, max_cost_at_once=4_096)),
        ({"max_tokens_per_batch": 1_024}, StepSize(rows=None, cost=1_024, max_cost_at_once=1_024)),
        (
            {"per_device_train_batch_size": 512, "max_tokens_per_batch": 1_024},
            StepSize(rows=512, cost=None, max_cost_at_once=1_024),
        ),
    ],
)
def test_rows_if_counted_else_tokens_and_memory_is_always_bounded(train: dict[str, int], expected: StepSize) -> None:
    assert step_size(spec_of(train), on("cpu")) == expected
    assert expected.part_cost == PART_COST


@pytest.mark.parametrize(
    ("train", "at_once"),
    [
        ({}, 16_384),
        ({"per_device_train_batch_size": 512}, math.inf),
        ({"max_tokens_per_batch": 1_024}, 1_024),
        ({"per_device_train_batch_size": 512, "max_tokens_per_batch": 1_024}, 1_024),
    ],
)
def test_a_gpu_makes_parts_for_memory_only_and_few(train: dict[str, int], at_once: float) -> None:
    size = step_size(spec_of(train), on("cuda"))
    assert (size.max_cost_at_once, size.part_cost) == (at_once, math.inf)


def test_where_padding_is_free_no_parts_are_made_to_save_it() -> None:
    assert step_size(spec_of({}), on("cpu"), padding_is_free=True) == StepSize(32, 4_096, 4_096, part_cost=math.inf)


@pytest.mark.parametrize("arguments", [{"fsdp": True}, {"deepspeed_plugin": object()}])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_sharded_model_computes_a_batch_at_once(arguments: dict[str, Any], device: str) -> None:
    assert step_size(spec_of({}), on(device, **arguments)) == StepSize(32, 4_096, math.inf, math.inf)


def test_a_launcher_can_ask_for_sharding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert step_size(spec_of({}), on("cuda")).max_cost_at_once == math.inf
