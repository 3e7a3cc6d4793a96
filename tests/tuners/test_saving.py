"""A trained adapter on disk: what is in the file, and that nothing is lost unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import cells
from ftkit.errors import CheckpointError, ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.saving import CONFIG_FILE, WEIGHTS_FILE, attach_adapter, continue_from, is_adapter, save_adapter
from ftkit.tuners.spec import TunerSpec


@pytest.fixture(scope="module")
def tune(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    def make(**tuner: Any) -> Any:
        built = cells.make_adapter("text-classification", "bert", checkpoint).objective.build()
        spec = TunerSpec(**tuner)
        return apply_tuner(built.model, built.new_parameters, spec, peft_task="SEQ_CLS")

    return make


@pytest.fixture(scope="module")
def saved(tune: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_adapter(tune(method="lora", rank=2), folder, revision="abc")
    return folder


@pytest.fixture
def base(checkpoint: Callable[[str], Path]) -> Any:
    return cells.make_adapter("text-classification", "bert", checkpoint).objective.build().model


def test_the_config_is_readable_and_always_the_same(saved: Path, tune: Callable[..., Any], tmp_path: Path) -> None:
    text = (saved / CONFIG_FILE).read_text(encoding="utf-8")
    config = json.loads(text)
    assert config["target_modules"] == ["dense", "key", "query", "value"]
    assert config["modules_to_save"] == ["bert.pooler", "classifier", "score"]
    assert (config["revision"], config["inference_mode"], config["r"]) == ("abc", True, 2)
    save_adapter(tune(method="lora", rank=2), tmp_path, revision="abc")
    assert (tmp_path / CONFIG_FILE).read_text(encoding="utf-8") == text
    assert is_adapter(saved)
    assert not is_adapter(saved.parent)


def test_biases_are_saved_once(tune: Callable[..., Any], tmp_path: Path) -> None:
    save_adapter(tune(method="bitfit"), tmp_path, revision=None)
    names = load_file(tmp_path / WEIGHTS_FILE).keys()
    assert {"base_model.model.classifier.bias", "base_model.model.bert.embeddings.LayerNorm.bias"} <= names
    assert not [name for name in names if "original_module" in name or "default" in name]


@pytest.mark.parametrize("part", ["query.lora_B", "classifier.weight", "pooler.dense.bias"])
def test_a_missing_tensor_is_noticed(part: str, saved: Path, base: Any, tmp_path: Path) -> None:
    tensors = load_file(saved / WEIGHTS_FILE)
    left = {name: tensor for name, tensor in tensors.items() if part not in name}
    assert len(left) < len(tensors)
    (tmp_path / CONFIG_FILE).write_text((saved / CONFIG_FILE).read_text())
    save_file(left, tmp_path / WEIGHTS_FILE, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="Copy the run directory again"):
        attach_adapter(base, tmp_path)


def test_another_number_of_labels_is_noticed(saved: Path, checkpoint: Callable[[str], Path]) -> None:
    import tiny
    from ftkit.types import LabelSpace

    model = tiny.make_adapter(checkpoint("bert"), LabelSpace(("one", "two"))).objective.build().model
    with pytest.raises(CheckpointError, match="the trained adapter cannot be loaded"):
        attach_adapter(model, saved)


@pytest.mark.parametrize("with_head", [True, False])
def test_continuing_loads_the_change_and_the_head_if_asked(
    with_head: bool, saved: Path, tune: Callable[..., Any]
) -> None:
    torch.manual_seed(1)
    model = tune(method="lora", rank=2)
    tensors = dict(model.named_parameters())
    head = tensors["base_model.model.classifier.modules_to_save.default.weight"].detach().clone()
    expected = load_file(saved / WEIGHTS_FILE)
    count = continue_from(model, saved, with_head=with_head)
    assert count == len(expected) - (0 if with_head else 4)
    lora = "base_model.model.bert.encoder.layer.0.intermediate.dense.lora_A"
    assert torch.equal(tensors[f"{lora}.default.weight"], expected[f"{lora}.weight"])
    now = tensors["base_model.model.classifier.modules_to_save.default.weight"]
    assert torch.equal(now, expected["base_model.model.classifier.weight"] if with_head else head)


@pytest.mark.parametrize("tuner", [{"method": "lora", "rank": 3}, {"method": "ia3"}, {"method": "prompt"}])
def test_an_adapter_made_otherwise_does_not_continue(
    tuner: dict[str, Any], saved: Path, tune: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match="does not continue here: such as .* has no place in it"):
        continue_from(tune(**tuner), saved, with_head=True)
