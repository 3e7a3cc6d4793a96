"""A run from a stranger is data: whatever command opens it, none of its code runs unless the user says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.config import yaml as strict_yaml
from ftkit.errors import UserError
from runs import run_config
from untrusted import change_yaml, hostile_copy, on_one_line, rows

pytestmark = pytest.mark.usefixtures("code_is_copied_elsewhere")
Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str]]
FLAG = "--trust-remote-code"


@pytest.fixture
def command(command: Callable[..., tuple[int, str, str]]) -> Command:
    """`command("predict", run)` is its exit code, and what it said on one line."""
    return on_one_line(command)


# --- what a run's ftkit.yaml asks for -------------------------------------------------------------------------


def asks(folder: Path) -> dict[str, Any]:
    """Returns all that an ftkit.yaml can ask for at once."""
    return {
        "task": f"{folder}/evil.py:T",
        "metrics": [f"{folder}/evil_metric.py", "accuracy"],
        "model__trust_remote_code": True,
        "run__prepared": True,
    }


@pytest.fixture
def hostile(whole: Path, tmp_path: Path, canary: Path) -> Path:
    folder = tmp_path / "run"
    return hostile_copy(whole, folder, canary, **asks(folder))


@pytest.fixture
def hostile_adapter(adapter: Path, tmp_path: Path, canary: Path) -> Path:
    folder = tmp_path / "adapter"
    return hostile_copy(adapter, folder, canary, **asks(folder))


def test_texts_are_predicted_without_the_code(hostile: Path, canary: Path, command: Command) -> None:
    code, told = command("predict", hostile, "--text", "rain today")
    assert (code, canary.exists()) == (0, False), told
    assert len(ftkit.load(hostile).predict(["rain today"])[0]["scores"]) == 4
    assert not canary.exists()


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_rows_that_its_code_prepares_are_not_read(
    verb: str, hostile: Path, whole: Path, canary: Path, command: Command, tmp_path: Path
) -> None:
    source = (
        ("--input", rows(whole), "--output", tmp_path / "out.jsonl") if verb == "predict" else ("--data", rows(whole))
    )
    code, told = command(verb, hostile, *source)
    assert (code, canary.exists()) == (2, False)
    assert f"{hostile}/evil.py:T" in told
    assert "--task evil.py:T" in told
    assert FLAG in told


def test_with_the_flag_its_task_prepares_rows(
    hostile: Path, whole: Path, canary: Path, command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    code, told = command("predict", hostile, "--input", rows(whole), "--output", out, FLAG)
    assert code == 0, told
    assert canary.read_text() == "the task"
    assert len(out.read_text().splitlines()) == 8


def test_the_users_own_copy_of_the_task_prepares_rows(
    hostile: Path, whole: Path, canary: Path, command: Command, tmp_path: Path
) -> None:
    """Of the run's own file nothing is executed."""
    own = tmp_path / "own.py"
    own.write_text(
        "from ftkit import Task\n"
        "T = Task(name='t', kind='text-classification', columns={'text': 'text', 'label': 'topic'},\n"
        "         prepare=lambda cells: {**cells, 'text': 'rain'})\n"
    )
    out = tmp_path / "out.jsonl"
    code, told = command("predict", hostile, "--input", rows(whole), "--output", out, "--task", f"{own}:T")
    assert (code, canary.exists()) == (0, False), told
    scores = {json.dumps(json.loads(line)["scores"]) for line in out.read_text().splitlines()}
    assert len(scores) == 1, "every row was prepared into the same text"


def test_a_task_of_another_kind_is_refused(hostile: Path, whole: Path, canary: Path, command: Command) -> None:
    code, told = command("evaluate", hostile, "--data", rows(whole), "--task", "translation")
    assert (code, canary.exists()) == (2, False)
    assert "--task translation: it is of kind translation, the run of kind text-classification. Leave it out." in told


def test_a_module_on_the_path_is_not_imported(
    whole: Path, tmp_path: Path, canary: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary, task="evil:T", run__prepared=True)
    monkeypatch.chdir(run)
    monkeypatch.syspath_prepend(str(run))
    code, told = command("evaluate", run, "--data", rows(whole))
    assert (code, canary.exists()) == (2, False)
    assert "evil:T" in told
    code, told = command("evaluate", run, "--data", rows(whole), FLAG)
    assert (code, canary.exists()) == (0, True), told


def test_an_older_run_that_recorded_no_task_imports_none(
    whole: Path, tmp_path: Path, canary: Path, command: Command
) -> None:
    folder = tmp_path / "run"
    run = hostile_copy(whole, folder, canary, task=f"{folder}/evil.py:T", run__declared=None)
    code, told = command("evaluate", run, "--data", rows(whole))
    assert (code, canary.exists()) == (0, False), told
    code, told = command("evaluate", run, "--data", rows(whole), FLAG)
    assert (code, canary.exists()) == (0, True), told


@pytest.mark.parametrize("where", ["the config", "the recorded task"])
def test_its_metrics_are_not_loaded(where: str, whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    folder = tmp_path / "run"
    key = "metrics" if where == "the config" else "run__declared__metrics"
    run = hostile_copy(whole, folder, canary, **{key: [f"{folder}/evil_metric.py"]})
    code, told = command("evaluate", run, "--data", rows(whole))
    assert (code, canary.exists()) == (2, False)
    assert "evil_metric.py" in told
    assert "--metrics accuracy" in told
    assert FLAG in told
    code, told = command("predict", run, "--text", "rain")
    assert (code, canary.exists()) == (0, False), told
    code, told = command("evaluate", run, "--data", rows(whole), "--metrics", "accuracy,f1")
    assert (code, canary.exists()) == (0, False), told
    code, told = command("evaluate", run, "--data", rows(whole), FLAG)
    assert (code, canary.read_text()) == (0, "the metric"), told


@pytest.mark.parametrize("name", ["hub:stranger/metric", "evil_metric.py:Share", "stranger.metrics:Share"])
def test_metrics_by_any_other_name_are_told_too(
    name: str, whole: Path, tmp_path: Path, canary: Path, command: Command
) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary, metrics=[name, "accuracy"])
    for arguments in (("evaluate", run, "--data", rows(whole)), ("train", run / "ftkit.yaml", "overwrite=true")):
        code, told = command(*arguments)
        assert (code, canary.exists()) == (2, False)
        assert name in told
        assert FLAG in told
    assert "set them yourself, such as metrics=null." in told
    code, told = command("train", run / "ftkit.yaml", "overwrite=true", "metrics=null", "train.max_steps=1")
    assert (code, canary.exists()) == (0, False), told
    run = hostile_copy(whole, tmp_path / "again", canary, metrics=[name, "accuracy"])
    code, told = command("evaluate", run, "--data", rows(whole))
    assert f"metrics that run code of their own: {name}. They were not loaded." in told


def test_a_metric_that_the_user_names_runs(
    whole: Path, tmp_path: Path, canary: Path, command: Callable[..., tuple[int, str]]
) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    own = tmp_path / "own.py"
    own.write_text((run / "evil_metric.py").read_text())
    result = tmp_path / "scores.json"
    code, told = command("evaluate", run, "--data", rows(whole), "--metrics", own, "--output", result)
    assert code == 0, told
    assert json.loads(result.read_text())["share"] == 0.5


# --- the other commands -----------------------------------------------------------------------------------------


def test_an_export_does_not_read_prepared_rows(hostile: Path, canary: Path, command: Command, tmp_path: Path) -> None:
    code, told = command("export", hostile, tmp_path / "out")
    assert (code, canary.exists()) == (2, False)
    assert "evil.py:T" in told
    assert FLAG in told
    assert not (tmp_path / "out").exists()


def test_a_merge_does_not_read_prepared_rows(
    hostile_adapter: Path, canary: Path, command: Command, tmp_path: Path
) -> None:
    code, told = command("merge", hostile_adapter, tmp_path / "out")
    assert (code, canary.exists()) == (2, False)
    assert "evil.py:T" in told
    assert FLAG in told
    code, told = command("merge", hostile_adapter, tmp_path / "out", FLAG)
    assert (code, canary.exists()) == (0, True), told


def test_a_merge_leaves_its_metrics_out(adapter: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    folder = tmp_path / "run"
    run = hostile_copy(adapter, folder, canary, metrics=[f"{folder}/evil_metric.py", "accuracy"])
    code, told = command("merge", run, tmp_path / "out")
    assert (code, canary.exists()) == (0, False), told
    assert "adapter_accuracy" in json.loads((tmp_path / "out" / "all_results.json").read_text())


def test_a_bank_runs_no_code(hostile_adapter: Path, canary: Path) -> None:
    bank = ftkit.AdapterBank(device="cpu")
    bank.add("topics", hostile_adapter)
    assert len(bank.predict([("topics", "rain today")])[0]["scores"]) == 4
    assert not canary.exists()


def test_a_run_as_checkpoint_runs_no_code(hostile: Path, canary: Path, tmp_path: Path) -> None:
    config = run_config(tmp_path / "next", hostile, **{"train.max_steps": 1})
    assert ftkit.train(config).metrics["test_samples"] == 8
    assert not canary.exists()


def test_a_run_as_adapter_runs_no_code(
    hostile_adapter: Path, checkpoint: Checkpoint, canary: Path, tmp_path: Path
) -> None:
    tuner = {"method": "lora"}
    config = run_config(tmp_path / "next", checkpoint("bert"), tuner=tuner, **{"model.adapter": str(hostile_adapter)})
    config["train"]["max_steps"] = 1
    assert ftkit.train(config).metrics["test_samples"] == 8
    assert not canary.exists()


@pytest.mark.parametrize("verb", ["check", "train"])
def test_its_config_is_not_obeyed(verb: str, hostile: Path, canary: Path, command: Command, tmp_path: Path) -> None:
    out = f"output_dir={tmp_path / 'again'}"
    code, told = command(verb, hostile / "ftkit.yaml", out)
    assert (code, canary.exists()) == (2, False)
    for part in ("evil.py:T", "evil_metric.py", "model.trust_remote_code: true", FLAG):
        assert part in told
    assert not (tmp_path / "again").exists()
    given = ("task=text-classification", "metrics=[accuracy]", "model.trust_remote_code=false")
    code, told = command(verb, hostile / "ftkit.yaml", out, "train.max_steps=1", *given)
    assert (code, canary.exists()) == (0, False), told


def test_what_was_overridden_is_not_asked_about(hostile: Path, canary: Path, command: Command, tmp_path: Path) -> None:
    code, told = command("check", hostile / "ftkit.yaml", "metrics=[accuracy]", f"output_dir={tmp_path / 'again'}")
    assert (code, canary.exists()) == (2, False)
    assert "task: " in told
    assert "evil_metric.py" not in told


def test_with_the_flag_its_config_is_obeyed(hostile: Path, canary: Path, command: Command, tmp_path: Path) -> None:
    code, told = command("check", hostile / "ftkit.yaml", f"output_dir={tmp_path / 'again'}", FLAG)
    assert (code, canary.read_text()) == (0, "the metric"), told  # which is tried last, on rows that the task prepared


def test_leaving_the_run_section_out_changes_nothing(hostile: Path, canary: Path, command: Command) -> None:
    change_yaml(hostile, run=None)
    code, told = command("check", hostile / "ftkit.yaml")
    assert (code, canary.exists()) == (2, False)
    assert "was written by a run" in told
    with pytest.raises(UserError, match=r"evil\.py:T"):
        ftkit.train(hostile / "ftkit.yaml")
    assert not canary.exists()


def test_what_would_overwrite_is_asked_about(whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary, overwrite=True, output_dir=str(whole))
    code, told = command("train", run / "ftkit.yaml")
    assert code == 2
    assert "overwrite: true" in told
    assert (whole / "all_results.json").is_file()


def test_a_users_own_config_may_name_code(whole: Path, tmp_path: Path, canary: Path, command: Command) -> None:
    run = hostile_copy(whole, tmp_path / "run", canary)
    config = run_config(tmp_path, run, task=f"{run}/evil.py:T", output_dir=str(tmp_path / "next"))
    (tmp_path / "mine.yaml").write_text(strict_yaml.dump(config))
    code, told = command("check", tmp_path / "mine.yaml")
    assert (code, canary.exists()) == (0, True), told
