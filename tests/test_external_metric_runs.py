"""Whole runs whose metrics ftkit did not write: an evaluate script and a function, in every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import ftkit
import runs

pytestmark = pytest.mark.usefixtures("code_is_copied_elsewhere")

Command = Callable[..., tuple[int, str, str]]
Checkpoint = Callable[[str], Path]

SCRIPT = """
import datasets
import evaluate


class Exact(evaluate.Metric):
    def _info(self):
        features = datasets.Features({{"predictions": {predictions}, "references": {references}}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        hits = [one == other for one, other in zip(predictions, {expected})]
        return {{"exact": sum(hits) / len(hits), "count": len(hits)}}
"""
FUNCTION = """
def length(predictions, references):
    return {"length": sum(len(row) if hasattr(row, "__len__") else 1 for row in predictions)}
"""
NUMBER, TEXT = "datasets.Value('int64')", "datasets.Value('string')"
TEXTS = f"datasets.Sequence({TEXT})"

# kind -> how its config is made, a checkpoint, the script's features, the key that a row of predictions has
KINDS: dict[str, tuple[Callable[..., dict[str, Any]], str, tuple[str, str, str], str]] = {
    "text-classification": (runs.run_config, "bert", (NUMBER, NUMBER, "references"), "label"),
    "token-classification": (runs.tagging_config, "bert", (TEXTS, TEXTS, "references"), "tags"),
    "translation": (runs.translation_config, "marian", (TEXT, TEXTS, "[row[0] for row in references]"), "prediction"),
}


def config_with(kind: str, folder: Path, checkpoint: Checkpoint, **overrides: Any) -> dict[str, Any]:
    """A config of few steps, with the files of a script and a function beside its data."""
    make, model, (predictions, references, expected), _ = KINDS[kind]
    script = SCRIPT.format(predictions=predictions, references=references, expected=expected)
    (folder / "exact.py").write_text(script)
    (folder / "own.py").write_text(FUNCTION)
    names = [str(folder / "exact.py"), f"{folder}/own.py:length"]
    return make(folder, checkpoint(model), **{"train.num_train_epochs": 1, "metrics": names, **overrides})


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_scored_and_scored_again(kind: str, checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    key = KINDS[kind][3]
    config = config_with(kind, tmp_path, checkpoint, **{"train.metric_for_best_model": "exact"})
    result = ftkit.train(config)

    found = (result.output_dir / "predictions" / "test.jsonl").read_text(encoding="utf-8")
    predicted = [json.loads(line)[key] for line in found.splitlines()]
    assert result.primary_metric == "exact"
    assert result.metrics["test_count"] == result.metrics["test_samples"] == len(predicted)
    assert result.metrics["test_length"] == sum(len(row) if kind != "text-classification" else 1 for row in predicted)
    assert 0 <= result.metrics["test_exact"] <= 1
    assert result.metrics["eval_exact"] is not None

    data = ("evaluate", result.output_dir, "--data", config["data"]["test"])
    code, _, told = command(*data)
    assert code == 2
    told = " ".join(told.split())
    assert f"metrics that run code of their own: {tmp_path}/exact.py, {tmp_path}/own.py:length" in told
    code, out, _ = command(*data, "--trust-remote-code")
    again = json.loads(out)
    assert code == 0
    assert {name: again[name] for name in ("exact", "count", "length")} == {
        name: result.metrics[f"test_{name}"] for name in ("exact", "count", "length")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_metric_that_cannot_read_the_rows_stops_a_run_before_anything_is_written(
    kind: str, checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    config = config_with(kind, tmp_path, checkpoint)
    wrong = TEXTS if kind == "text-classification" else NUMBER
    script = SCRIPT.format(predictions=wrong, references=wrong, expected="references")
    (tmp_path / "exact.py").write_text(script)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for verb in ("check", "train"):
        code, _, told = command(verb, tmp_path / "config.yaml")
        assert code == 2
        assert "exact.py' fails on " in " ".join(told.split())
        assert "ftkit gives predictions (" in " ".join(told.split())
        assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


def test_a_best_metric_that_no_external_metric_yields(checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = config_with("token-classification", tmp_path, checkpoint, **{"train.metric_for_best_model": "exakt"})
    with pytest.raises(
        ftkit.ConfigError, match="'exakt' is not computed. Did you mean 'exact'.* 'loss', 'exact', 'cou"
    ):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()
