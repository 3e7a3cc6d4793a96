"""`ftkit export`, and `ftkit predict` in a precision and on what was exported."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import ftkit
import tiny
from ftkit.inference.onnx_model import missing_packages
from runs import run_config

Command = Callable[..., tuple[int, str, str]]
needs_onnx = pytest.mark.skipif(
    bool(missing_packages(("onnx", "onnxruntime", "onnxscript"))),
    reason="the extra is not installed: pip install 'ftkit[onnx]'",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export_command")
    base = tiny.make_checkpoint("bert", folder / "base", sizes={"num_hidden_layers": 1})  # traced layer by layer
    return ftkit.train(run_config(folder, base, **{"train.num_train_epochs": 2})).output_dir


@needs_onnx
def test_export_then_predict_and_evaluate(run: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "folder" / "exported"
    code, _, told = command("export", run, out, "--quantize", "int8")
    assert code == 0, told
    for part in ("in ONNX, int8", "of the predictions are equal", "over 9 rows of", "test.csv"):
        assert part in told
    code, _, told = command("predict", out, "--input", run.parent / "test.csv", "--output", tmp_path / "rows.jsonl")
    assert (code, "8 predictions written" in told) == (0, True), told
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"t{index}" for index in range(8)]
    code, scored, _ = command("evaluate", out, "--data", run.parent / "test.csv")
    assert code == 0
    assert json.loads(scored)["samples"] == 8
    code, _, told = command("export", out, tmp_path / "again")
    assert code == 2
    assert "is an exported model" in told
    assert "Name the run that it was made from" in told


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "auto"])
def test_predict_in_a_precision(precision: str, run: Path, command: Command) -> None:
    code, out, _ = command("predict", run, "--text", "rain today", "--precision", precision)
    assert code == 0
    assert set(json.loads(out)) == {"label", "score", "scores"}


def test_an_unknown_precision(run: Path, command: Command) -> None:
    code, _, told = command("predict", run, "--text", "rain today", "--precision", "bf61")
    assert code == 2
    assert "precision: there is no 'bf61'. Did you mean 'bf16'?" in told


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["{run}", "{tmp}/out", "--format", "onx"], ["format: there is no 'onx'. Did you mean 'onnx'?"]),
        (["{run}", "{tmp}/out", "--quantize", "int4"], ["quantize: there is no 'int4'. Did you mean 'int8'?"]),
        (["{run}", "{tmp}"], ["already exists and is not empty", "nothing was written"]),
        (["{run}", "{tmp}/file"], ["is a file; expected a folder"]),
        (["{run}x", "{tmp}/out"], ["No run", "Did you mean 'run'?"]),
        (["{run}/checkpoints", "{tmp}/out"], ["is not a run of ftkit"]),
        (["{run}", "{tmp}/out", "--data", "{tmp}/fil"], ["no such file", "Did you mean 'file'?"]),
    ],
)
@needs_onnx
def test_a_wrong_call_is_told_and_writes_nothing(
    arguments: list[str], parts: list[str], run: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "file").write_text("x")
    code, _, told = command(
        "export", *(argument.replace("{run}", str(run)).replace("{tmp}", str(tmp_path)) for argument in arguments)
    )
    assert code == 2, told
    for part in parts:
        assert part in told
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_extra_is_one_sentence(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "onnxscript" else find_spec(name, *more)
    )
    code, _, told = command("export", run, tmp_path / "out")
    assert code == 2
    assert told.count("\n") == 1
    assert "'onnxscript'" in told
    assert "pip install 'ftkit[onnx]'" in told
    assert not (tmp_path / "out").exists()
