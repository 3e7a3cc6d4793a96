"""4 and 8 bits: what is asked of bitsandbytes, and what is told where it cannot be had."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers

import tiny
from ftkit.errors import ConfigError
from ftkit.models import quantization
from ftkit.models.quantization import check_quantization, move, outside_of_body
from ftkit.types import LabelSpace
from runs import run_config

Checkpoint = Callable[[str], Path]
LABELS = LabelSpace(("a", "b", "c"))


def pretend_installed(monkeypatch: pytest.MonkeyPatch, *, is_installed: bool) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: is_installed or None if name == "bitsandbytes" else find_spec(name, *more),
    )


def test_plain_weights_ask_for_nothing() -> None:
    assert check_quantization(None) is None


def test_the_extra_is_named_where_it_is_missing(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(monkeypatch, is_installed=False)
    with pytest.raises(
        ConfigError, match=r"bitsandbytes, which is not installed. pip install 'ftkit\[quantization\]'"
    ):
        check_quantization("4bit")
    import ftkit

    config = {**run_config(tmp_path, checkpoint("bert")), "tuner": {"method": "lora", "quantization": "4bit"}}
    with pytest.raises(ConfigError, match="bitsandbytes"):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()


def test_a_machine_without_a_gpu_is_told_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, is_installed=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no GPU was found. 8bit weights save memory" in str(check_quantization("8bit"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert check_quantization("8bit") is None


@pytest.mark.parametrize(
    ("model_type", "head"),
    [
        ("bert", {"bert.pooler.dense", "classifier"}),
        ("roberta", {"classifier.dense", "classifier.out_proj"}),
        ("gpt2", {"score"}),
        ("t5", {"classification_head.dense", "classification_head.out_proj"}),
    ],
)
def test_all_but_the_head_is_quantised(model_type: str, head: set[str], checkpoint: Checkpoint) -> None:
    model = tiny.make_adapter(checkpoint(model_type), LABELS).objective.build().model
    assert set(outside_of_body(model)) == head


@pytest.mark.parametrize(("bits", "setting"), [("4bit", "load_in_4bit"), ("8bit", "load_in_8bit")])
def test_the_checkpoint_is_loaded_so(
    bits: Any, setting: str, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def settings(**options: Any) -> Any:
        asked.update(options)
        return "settings"

    monkeypatch.setattr("transformers.BitsAndBytesConfig", settings)
    adapter = tiny.make_adapter(checkpoint("bert"), LABELS)
    spec = dataclasses.replace(adapter.spec, quantization=bits)
    auto_class = transformers.AutoModelForSequenceClassification
    arguments = quantization.quantization_arguments(spec, auto_class, num_labels=3)
    assert arguments["quantization_config"] == "settings"
    assert asked[setting] is True
    assert set(asked["llm_int8_skip_modules"]) == {"bert.pooler.dense", "classifier"}
    assert quantization.quantization_arguments(adapter.spec, auto_class) == {}


def test_a_quantised_model_stays_where_it_is() -> None:
    model = SimpleNamespace(is_quantized=True)
    assert move(model, "cuda") is model
    layer = torch.nn.Linear(2, 2)
    assert move(layer, "meta").weight.device.type == "meta"
