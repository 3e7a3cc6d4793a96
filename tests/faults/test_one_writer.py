"""One process at a time trains into a run directory."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.config.run_config import RunConfig, load_config
from ftkit.runs.directory import RunDirectory
from ftkit.runs.lock import RunLock
from runs import run_config


def hold(folder: Path, told: Connection) -> None:
    lock = RunLock()
    lock.take(folder)
    told.send("held")
    signal.pause()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[multiprocessing.Process]:
    """Another process that trains into `tmp_path / "run"`."""
    here, there = multiprocessing.Pipe()
    # A fork is cheap, and does nothing here that needs threads.
    process = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path / "run", there))
    process.start()
    assert here.recv() == "held"
    yield process  # type: ignore[misc]
    process.kill()
    process.join()


def config_of(folder: Path, **changes: object) -> RunConfig:
    return load_config(
        {
            "task": "text-classification",
            "model": {"checkpoint": "x"},
            "data": {"train": "x"},
            "output_dir": str(folder),
        },
        changes,
    )


@pytest.mark.parametrize("change", [{}, {"resume": True}, {"overwrite": True}])
def test_a_second_start_is_refused_with_who_and_since_when(
    checkpoint, tmp_path: Path, holder: multiprocessing.Process, change: dict[str, bool]
) -> None:
    config = run_config(tmp_path, checkpoint("bert"))
    with pytest.raises(
        ftkit.ConfigError, match=rf"another run \(process {holder.pid} on .+, since 20\d\d-.*Wait for it"
    ):
        ftkit.train(config, change)
    assert sorted(os.listdir(tmp_path / "run")) == ["checkpoints"]


def test_what_a_killed_start_was_writing_is_removed_by_the_next(tmp_path: Path) -> None:
    names = (".ftkit.yaml.0a1b2c3d.tmp", "checkpoints/.config.yaml.0a1b2c3d.tmp")
    halves = [tmp_path / "run" / name for name in names]
    halves[1].parent.mkdir(parents=True)
    for half in halves:
        half.write_text("task: te")
    RunDirectory(config_of(tmp_path / "run")).start(config_of(tmp_path / "run"), {})
    assert not [half for half in halves if half.exists()]
    assert (tmp_path / "run" / "ftkit.yaml").is_file()


def test_a_process_that_comes_between_check_and_start_is_noticed(
    tmp_path: Path, holder: multiprocessing.Process
) -> None:
    directory = RunDirectory(config_of(tmp_path / "run"))
    with pytest.raises(ftkit.ConfigError, match="is being trained into by another run"):
        directory.start(config_of(tmp_path / "run"), {})


def test_a_suspended_process_keeps_the_lock_and_a_killed_one_does_not(
    tmp_path: Path, holder: multiprocessing.Process
) -> None:
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGSTOP)
    with pytest.raises(ftkit.ConfigError, match="by another run"):
        RunLock().take(tmp_path / "run")
    holder.kill()
    holder.join()
    with RunLock() as lock:
        lock.take(tmp_path / "run")


def test_what_another_process_has_done_since_the_check_is_noticed(tmp_path: Path) -> None:
    late, config = RunDirectory(config_of(tmp_path / "run")), config_of(tmp_path / "run")
    early = RunDirectory(config)
    with early.lock:
        early.start(config, {"train": "1"})
        early.new_staging()
        early.publish({})
    with late.lock, pytest.raises(ftkit.ConfigError, match="another process has trained into .* meanwhile. Repeat"):
        late.start(config, {"train": "1"})


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: object) -> None:
        raise OSError("No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with RunLock() as lock:
        lock.take(tmp_path)
        told = capsys.readouterr().err
        assert "cannot be locked (No locks available): a second process that trains there takes it over" in told
        lock.check_is_held()
        with RunLock() as second:
            second.take(tmp_path)
            second.check_is_held()
            with pytest.raises(ftkit.RunError, match="by now .process .*and this one writes nothing more"):
                lock.check_is_held()


# What a process is about to do when it is suspended -> what it calls then. Each is called once the run has begun.
MOMENTS = {
    "a step": "ftkit.engine.checkpoints.rotate",
    "a save": "ftkit.engine.trainer_checkpoints.save_training_state",
    "an evaluation": "ftkit.engine.evaluation.evaluate",
    "the last scores": "ftkit.runs.saving.check_room_for",
    "saving": "ftkit.runs.results.collect_results",
    "the proof": "ftkit.runs.proof.prove",
    "the report": "ftkit.report.gathered.report_content",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_wakes_after_another_took_over_writes_nothing_more(
    checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Its folder was removed, and the second of the two trains into one of that name."""
    steps = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1, "max_steps": 3}
    config = run_config(tmp_path, checkpoint("bert"), **{f"train.{key}": value for key, value in steps.items()})
    module, _, name = MOMENTS[moment].rpartition(".")
    own, folder, seen, locks = getattr(importlib.import_module(module), name), tmp_path / "run", {}, []

    def sleep_first(*arguments: Any, **options: Any) -> Any:
        if not seen:
            shutil.rmtree(folder)
            second = RunDirectory(config_of(folder))
            locks.append(second.lock)
            second.start(config_of(folder), {"train": "1"})
            second.new_staging()
            seen.update(contents(folder))
        return own(*arguments, **options)

    monkeypatch.setattr(MOMENTS[moment], sleep_first)
    with pytest.raises(ftkit.RunError, match=r"[Aa]nother run trains into .*run by now|gone"):
        ftkit.train(config)
    with locks[0] as lock:
        lock.check_is_held()
    assert contents(folder) == seen


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
