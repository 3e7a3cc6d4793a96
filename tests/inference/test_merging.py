"""`ftkit merge`: one plain checkpoint with the adapter's function, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

import ftkit
from ftkit.errors import RunError
from ftkit.inference import merging
from ftkit.inference.merging import merge_run
from ftkit.tuners.spec import METHODS
from runs import run_config, tagging_config, translation_config

Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str, str]]
TEXTS = ["my card was lost", "rain tonight"]
MERGING = [name for name, method in METHODS.items() if method.merges]


def trained(folder: Path, checkpoint: Path, method: str, **overrides: Any) -> Path:
    options = {"num_layers": 1} if method == "last-layers" else {}
    config = run_config(folder, checkpoint, **{"train.num_train_epochs": 2, **overrides})
    return ftkit.train({**config, "tuner": {"method": method, **options}}).output_dir


@pytest.fixture(scope="module")
def lora(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("lora"), checkpoint("bert"), "lora")


@pytest.mark.parametrize("method", MERGING)
def test_a_merged_model_is_the_adapter(method: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", checkpoint("bert"), method)
    report = merge_run(run, tmp_path / "merged")
    assert report["rows"] == 8
    assert report["max_logit_difference"] <= 1e-5
    assert report["merged_accuracy"] == report["adapter_accuracy"]
    assert report["merged_loss"] == pytest.approx(report["adapter_loss"], abs=1e-5)
    scores = [[row["scores"] for row in ftkit.load(folder).predict(TEXTS)] for folder in (run, tmp_path / "merged")]
    assert [list(row.values()) for row in scores[1]] == [
        pytest.approx(list(row.values()), abs=1e-5) for row in scores[0]
    ]
    assert not (tmp_path / "merged" / "adapter_config.json").exists()


def test_plain_transformers_loads_it(lora: Path, tmp_path: Path) -> None:
    merge_run(lora, tmp_path / "merged")
    plain, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    predictor = ftkit.load(lora)
    batch = predictor.adapter.preprocessor.processor(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        np.testing.assert_allclose(plain(**batch).logits, predictor.model(**batch).logits, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "model_type"), [(tagging_config, "bert"), (translation_config, "marian"), (translation_config, "t5")]
)
def test_other_kinds_merge_too(make: Any, model_type: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = make(tmp_path / "run", checkpoint(model_type), tuner={"method": "lora", "rank": 4})
    config["train"]["num_train_epochs"] = 2
    run = ftkit.train(config).output_dir
    report = merge_run(run, tmp_path / "merged", data=config["data"]["train"])
    assert report["max_logit_difference"] <= 1e-4
    assert ftkit.load(tmp_path / "merged").labels == ftkit.load(run).labels


def test_rows_held_out_of_train_are_those_of_the_run(checkpoint: Checkpoint, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", checkpoint("bert"), "lora", **{"data.validation": 0.25})
    results = json.loads((run / "all_results.json").read_text())
    report = merge_run(run, tmp_path / "merged")
    assert report["rows"] == results["eval_samples"]
    assert report["adapter_loss"] == pytest.approx(results["eval_loss"], abs=1e-5)


def test_the_command_tells_both_scores(lora: Path, tmp_path: Path, command: Command) -> None:
    code, _, told = command("merge", lora, tmp_path / "merged", "--data", lora.parent / "test.csv")
    assert code == 0, told
    for part in ("logits differ by at most", "over 8 rows", "accuracy:", "with the adapter", "loss:"):
        assert part in told
    code, out, told = command("predict", tmp_path / "merged", "--text", "my card was lost")
    assert code == 0, told
    assert json.loads(out)["label"] == ftkit.load(lora).predict(["my card was lost"])[0]["label"]


def test_what_cannot_be_merged(lora: Path, checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    full = trained(tmp_path / "full", checkpoint("bert"), "full", **{"train.num_train_epochs": 1})
    prompt = trained(tmp_path / "prompt", checkpoint("bert"), "prompt", **{"train.num_train_epochs": 1})
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    changed = shutil.copytree(lora, tmp_path / "changed")
    adapter = load_file(changed / "adapter_model.safetensors")
    next(iter(adapter.values())).view(-1)[0] += 1
    save_file(adapter, changed / "adapter_model.safetensors", metadata={"format": "pt"})
    cases = [
        ([full, tmp_path / "out"], "saved a whole model (tuner: full), not a trained adapter"),
        ([prompt, tmp_path / "out"], "puts virtual tokens before the text"),
        ([lora, tmp_path / "taken"], "already exists and is not empty"),
        ([changed, tmp_path / "out"], "its SHA-256 differs from the one in ftkit.yaml"),
        ([tmp_path / "nowhere", tmp_path / "out"], "No run"),
        ([lora, tmp_path / "out", "--data", tmp_path / "missing.csv"], "missing.csv"),
    ]
    for arguments, message in cases:
        code, _, told = command("merge", *arguments)
        assert code == 2
        assert message in " ".join(told.split())
        assert "run's own data" not in told
        assert not (tmp_path / "out").exists()


def test_data_that_has_gone_has_to_be_named(checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    run = trained(tmp_path / "run", checkpoint("bert"), "head-only", **{"train.num_train_epochs": 1})
    (tmp_path / "run" / "validation.csv").unlink()
    code, _, told = command("merge", run, tmp_path / "merged")
    assert code == 2
    assert "The run's own data cannot be read" in told
    assert "--data FILE" in told
    code, _, told = command("merge", run, tmp_path / "merged", "--data", tmp_path / "run" / "test.csv")
    assert code == 0, told


def test_a_merge_that_changes_the_function_writes_nothing(
    lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: Any) -> Any:
        merged = merge(model)
        with torch.no_grad():
            merged.classifier.weight += 1
        return merged

    merge = merging.merge
    monkeypatch.setattr(merging, "merge", broken)
    with pytest.raises(RunError, match="logits differ"):
        merge_run(lora, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    assert not list(tmp_path.glob(".merged*"))
