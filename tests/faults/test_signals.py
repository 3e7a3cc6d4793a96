"""A signal in each phase ends a run in order, a second one at once; the same command ends it as if none had come."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import ftkit
from ftkit.engine import interruption
from ftkit.engine.interruption import SIGNALS
from ftkit.errors import Interrupted
from runs import run_config

pytestmark = pytest.mark.usefixtures("signals_are_not_ignored")

STEPS = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2, "max_steps": 6}

PHASES = {
    "checking": "ftkit.run.check_run",
    "starting": "ftkit.runs.directory.RunDirectory.start",
    "encoding": "ftkit.adapters.preprocessors.text.TextPreprocessor.encode",
    "building": "ftkit.runs.steps.built_model",
    "a step": "ftkit.engine.trainer.FtkitTrainer.training_step",
    "an evaluation": "ftkit.engine.evaluation.evaluate",
    "a save": "ftkit.engine.checkpoints.write_manifest",
    "a rotation": "ftkit.engine.checkpoints.rotate",
    "the best weights": "ftkit.engine.trainer.FtkitTrainer._load_best_model",
    "the last scores": "ftkit.runs.steps.evaluate_split",
    "saving": "ftkit.runs.saving.save_model",
    "the proof": "ftkit.runs.proof.prove",
    "the report": "ftkit.report.files.write_report",
}
"""Phase -> what is called in it, in the order of a run."""

PUBLISHING = {
    "publishing": "ftkit.runs.directory.RunDirectory.publish",
    "the place of the old run": "ftkit.runs.directory.RunDirectory.replace",
}


class Killed(BaseException):
    """Stands for the end of the process by a second signal."""


@pytest.fixture(scope="module")
def trained(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    settings = {f"train.{key}": value for key, value in STEPS.items()}
    config = run_config(tmp_path_factory.mktemp("whole"), checkpoint("bert"), **settings)
    return config, ftkit.train(config)


@pytest.fixture(autouse=True)
def a_second_signal_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Killed(code)

    monkeypatch.setattr(interruption.os, "_exit", end)


def signalled(monkeypatch: pytest.MonkeyPatch, place: str, numbers: list[signal.Signals]) -> list[str]:
    """Has signals sent when something is called for the first time; what is returned is filled then."""
    module, name = place.rsplit(".", 1)
    owner: Any
    try:
        owner = importlib.import_module(module)
    except ModuleNotFoundError:
        owner = getattr(importlib.import_module(module.rpartition(".")[0]), module.rpartition(".")[2])
    own, sent = getattr(owner, name), []

    def send(*arguments: Any, **options: Any) -> Any:
        waiting = numbers[len(sent) :]
        sent.extend(number.name for number in waiting)
        try:
            if waiting:
                os.kill(os.getpid(), waiting[0])
        finally:
            for number in waiting[1:]:
                os.kill(os.getpid(), number)
        return own(*arguments, **options)

    monkeypatch.setattr(owner, name, send)
    return sent


def assert_is_the_same_run(one: Path, other: Path) -> None:
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())
    for name in ("predictions/test.jsonl", "predictions/validation.jsonl"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    results = [json.loads((folder / "all_results.json").read_text()) for folder in (one, other)]
    for key in ("train_loss", "num_steps", "best_step", "test_accuracy", "test_loss", "eval_loss"):
        assert results[0][key] == results[1][key]
    assert not [path for path in other.rglob("*") if path.name.endswith(".tmp") or ".unfinished" in path.name]


def test_one_signal_in_each_phase(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, whole = trained
    folder = {"output_dir": str(tmp_path / "run")}
    for index, (phase, place) in enumerate(PHASES.items()):
        number = SIGNALS[index % len(SIGNALS)]
        with monkeypatch.context() as patch, pytest.raises(Interrupted) as ended:
            sent = signalled(patch, place, [number])
            ftkit.train(config, folder)
        assert sent == [number.name], phase
        assert ended.value.exit_code == 75
        assert re.match(rf"Interrupted by {number.name}.*\. The same command goes on with the run\.", str(ended.value))
        assert not (tmp_path / "run" / "all_results.json").exists(), phase
        assert bool(list(tmp_path.rglob("manifest.json"))) == (index >= list(PHASES).index("a step")), phase
    assert_is_the_same_run(whole.output_dir, ftkit.train(config, folder).output_dir)


@pytest.mark.parametrize("phase", PUBLISHING)
def test_a_run_that_is_proven_is_published_all_the_same(
    trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    config, whole = trained
    with monkeypatch.context() as patch:
        sent = signalled(patch, PUBLISHING[phase], [signal.SIGTERM])
        result = ftkit.train(config, {"output_dir": str(tmp_path / "run")})
    assert sent
    assert_is_the_same_run(whole.output_dir, result.output_dir)


def test_a_second_signal_in_each_phase(trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, whole = trained
    folder = {"output_dir": str(tmp_path / "run")}
    for phase, place in {**PHASES, **PUBLISHING}.items():
        with monkeypatch.context() as patch, pytest.raises(Killed):
            sent = signalled(patch, place, [signal.SIGINT, signal.SIGTERM])
            ftkit.train(config, folder)
        assert sent == ["SIGINT", "SIGTERM"], phase
    assert_is_the_same_run(whole.output_dir, ftkit.train(config, folder).output_dir)


LIKE_OTHERS = re.compile(  # written by the same function as its neighbours
    r"owner|base\.json|config\.yaml|tokenizer|config\.json|\.txt|report\.|README|rename|scheduler|rng_state|totals|remove"
)


class SignalAtFile:
    """Sends one signal when a file or folder is made, renamed or removed inside a folder, at a name not met yet."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.met: set[str] = set()
        self.is_armed = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if (
            self.folder is None
            or not self.is_armed
            or event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
        ):
            return
        path = arguments[0]
        if not isinstance(path, (str, Path)) or not Path(path).is_relative_to(self.folder):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        name = re.sub(r"\.[0-9a-f]{8}\.tmp|-[0-9a-f]{8}|\d+", "", f"{event} {Path(path).relative_to(self.folder)}")
        if name not in self.met and not LIKE_OTHERS.search(name):
            self.met.add(name)
            self.is_armed = False
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def at_file() -> Iterator[SignalAtFile]:
    hook = SignalAtFile()
    sys.addaudithook(hook)  # cannot be taken back; it does nothing without a folder
    yield hook
    hook.folder = None


def test_a_signal_at_each_file_operation(trained, tmp_path: Path, at_file: SignalAtFile) -> None:
    config, whole = trained
    at_file.folder, num_ends = tmp_path / "run", 0
    while True:
        at_file.is_armed = True
        try:
            result = ftkit.train(config, {"output_dir": str(tmp_path / "run")})
        except Interrupted:
            num_ends += 1
        else:
            break
    assert 10 < num_ends <= len(at_file.met)
    assert_is_the_same_run(whole.output_dir, result.output_dir)


METRIC = """
import os, signal, time

def swallowing(predictions, references):
    try:
        if not os.path.exists({mark!r}):
            open({mark!r}, "w").close()
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
        return {{"own": sum(one == other for one, other in zip(predictions, references))}}
    except Exception:
        return {{"own": -1}}
"""


@pytest.mark.parametrize("has_validation", [True, False])
def test_code_that_takes_a_signal_for_an_error_of_its_own(
    checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_validation: bool
) -> None:
    """What such a metric returns is in no checkpoint and no result."""
    (tmp_path / "metric.py").write_text(METRIC.format(mark=str(tmp_path / "mark")))
    settings = {"train.max_steps": 2, "metrics": ["accuracy", f"{tmp_path / 'metric.py'}:swallowing"]}
    config = run_config(tmp_path, checkpoint("bert"), **settings)
    if not has_validation:
        del config["data"]["validation"]
    (tmp_path / "mark").touch()
    whole = ftkit.train(config, {"output_dir": str(tmp_path / "whole")})
    (tmp_path / "mark").unlink()

    def at_the_check(*arguments: Any, **options: Any) -> Any:
        (tmp_path / "mark").touch()
        found = check_run(*arguments, **options)
        (tmp_path / "mark").unlink()
        return found

    check_run = importlib.import_module("ftkit.run").check_run
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr("ftkit.run.check_run", at_the_check)
        ftkit.train(config)
    result = ftkit.train(config)
    assert result.metrics["test_own"] == whole.metrics["test_own"] >= 0
    if has_validation:
        assert_is_the_same_run(whole.output_dir, result.output_dir)
