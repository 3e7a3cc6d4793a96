"""Weights that are NaN or infinite, and models that compute NaN, are refused; no prediction is made of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import ftkit
from ftkit.tuners.saving import read_state
from runs import run_config, tagging_config, translation_config
from untrusted import change_yaml

Checkpoint = Callable[[str], Path]
Config = Callable[..., dict[str, Any]]


def damage(folder: Path, part: str, value: float, *, file: str = "model.safetensors") -> str:
    """Writes a value into the first tensor whose name has `part` in it, and returns its name."""
    weights = load_file(folder / file)
    name = next(name for name in sorted(weights) if part in name and weights[name].is_floating_point())
    weights[name].view(-1)[0] = value
    save_file(weights, folder / file, metadata={"format": "pt"})
    return name


@pytest.mark.parametrize(
    ("make", "model_type", "settings"),
    [
        (run_config, "bert", {}),
        (run_config, "bert", {"tuner.method": "lora"}),
        (run_config, "bert", {"tuner.method": "head-only"}),
        (tagging_config, "bert", {}),
        (translation_config, "marian", {}),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_of_them_is_refused_before_anything_is_written(
    checkpoint: Checkpoint, tmp_path: Path, make: Config, model_type: str, settings: dict[str, Any], value: float
) -> None:
    base = shutil.copytree(checkpoint(model_type), tmp_path / "base")
    name = damage(base, "layers.1" if model_type == "marian" else "layer.1", value)
    config = make(tmp_path, base, **settings)
    with pytest.raises(ftkit.CheckpointError, match=r"holds NaN or infinite values in 1 of its tensors, such as .*"):
        ftkit.train(config)
    assert not Path(config["output_dir"]).exists()
    assert name


def test_a_run_of_them_predicts_nothing(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    name = damage(run, "layer.1", float("nan"))
    change_yaml(run, run__weights=None)  # a run of an earlier release does not know its weights
    with pytest.raises(ftkit.CheckpointError, match=f"NaN or infinite values in 1 of its tensors, such as {name}"):
        ftkit.load(run)


def test_a_trained_adapter_of_them_is_refused(adapter: Path, tmp_path: Path) -> None:
    run = shutil.copytree(adapter, tmp_path / "run")
    name = damage(run, "lora_A", float("nan"), file="adapter_model.safetensors")
    with pytest.raises(ftkit.CheckpointError, match=f"NaN or infinite values in 1 of its tensors, such as {name}"):
        read_state(run)


def test_a_model_that_computes_nan_fails_instead_of_predicting(whole: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    weights = load_file(run / "model.safetensors")
    weights["classifier.weight"].fill_(torch.finfo(torch.float32).max)
    weights["classifier.weight"][0].neg_()
    save_file(weights, run / "model.safetensors", metadata={"format": "pt"})
    change_yaml(run, run__weights=None)
    predictor = ftkit.load(run)
    with pytest.raises(
        ftkit.RunError, match="computes NaN for 2 of 2 examples; the first of them is number 1"
    ) as failed:
        predictor.predict(["a lost card", "rain"])
    assert failed.value.exit_code == 1
