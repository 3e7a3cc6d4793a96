"""A run that replaces another: whatever fails, and whenever it is killed, the folder holds a whole run."""

import json
import os
import shutil
import sys

import pytest

import ftkit
from ftkit.config.run_config import load_config
from ftkit.engine import checkpoints
from ftkit.runs.directory import RunDirectory
from ftkit.runs.open_run import run_folder
from runs import SETTINGS, run_config

OLD = {
    "ftkit.yaml": "old",
    "all_results.json": "old",
    "config.json": "old",
    "adapter_config.json": "old",
    "tokenizer.json": "old",
    "modeling_own.py": "old",
    "predictions/test.jsonl": "old",
    "predictions/test.txt": "old",
    "checkpoints/checkpoint-4/model.safetensors": "old",
    "checkpoints/data.json": "old",
}
NEW = {
    "ftkit.yaml": "new",
    "config.json": "new",
    "model.safetensors": "new",
    "tokenizer.json": "new",
    "predictions/test.jsonl": "new",
}
FOREIGN = {
    "thesis.tex": "mine",
    "predictions/mine.jsonl": "mine",
    "model.safetensors": "mine",
    "wandb/run-1/log": "log",
}


class Kill(BaseException):
    """Stands for a signal that no code can catch."""


class KilledAt:
    """Raises at the n-th change of the file system, of renames, removals and new folders, while it is `armed`."""

    armed: int | None = None
    seen = 0

    def __call__(self, event, _):
        if self.armed is None or event not in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            return
        self.seen += 1
        if self.seen > self.armed:
            self.armed = None
            raise Kill


@pytest.fixture(scope="module")
def killed_at():
    hook = KilledAt()
    sys.addaudithook(hook)  # cannot be taken back; it does nothing unless armed
    return hook


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def config_for(folder, **settings):
    return load_config(
        {**SETTINGS, "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": str(folder), **settings}
    )


def finished_run(folder, files):
    """Makes a run of these files with the very steps of a training."""
    directory = RunDirectory(config_for(folder))
    directory.start(config_for(folder), {"train": "0"})
    write(directory.new_staging(), {name: text for name, text in files.items() if "checkpoint" not in name})
    write(directory.path, {name: text for name, text in files.items() if "checkpoint" in name})
    directory.publish({"run": "old"})
    return directory


def replacing_run(folder):
    """Brings a run that replaces another to the moment before it is published."""
    directory = RunDirectory(config_for(folder, overwrite=True))
    directory.start(config_for(folder, overwrite=True), {"train": "1"})
    directory.lock.release()  # what follows stands for several processes, one after the other
    write(directory.work, {"checkpoints/checkpoint-8/model.safetensors": "new"})
    write(directory.new_staging(), NEW)
    return directory


def without_foreign(folder):
    files = files_of(folder)
    for name, text in FOREIGN.items():
        kept = next(place for place in (f"{name}.kept-1", name) if files.get(place) == text)
        del files[kept]
    locks = ("checkpoints/.lock", "checkpoints/.owner")
    return {name: text for name, text in files.items() if ".replacement" not in name and name not in locks}


def test_a_kill_at_any_moment_leaves_the_old_run_or_the_new_one(tmp_path, killed_at):
    before = tmp_path / "before"
    finished_run(before, {name: text for name, text in OLD.items() if name != "all_results.json"})
    write(before, FOREIGN)
    old = without_foreign(before)
    replacing_run(before)
    outcomes = []
    for moment in range(1000):
        folder = tmp_path / f"run-{moment}"
        shutil.copytree(before, folder)
        directory = RunDirectory(config_for(folder, overwrite=True))
        next(directory.work.glob(".unfinished*")).rename(directory.staging)
        killed_at.seen, killed_at.armed = 0, moment
        try:
            directory.publish({"run": "new"})
            directory.replace()
        except Kill:
            pass
        else:
            break
        finally:
            killed_at.armed = None
        run_folder(folder)  # as every command opens a run
        files = without_foreign(folder)
        if files == old:
            outcomes.append("old")
            continue
        outcomes.append("new")
        assert '"new"' in files.pop("all_results.json")
        assert files.pop(".manifest.json")
        assert '"1"' in files.pop("checkpoints/data.json")
        assert "checkpoint: x" in files.pop("checkpoints/config.yaml")
        assert files == {**NEW, "checkpoints/checkpoint-8/model.safetensors": "new"}
        assert not [name for name in os.listdir(folder) if name.startswith(".replacement")]
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count("new") > 10
    assert outcomes.count("old") > 5


def test_a_replacement_that_was_killed_twice_is_finished(tmp_path, killed_at):
    finished_run(tmp_path / "run", {"config.json": "old", "predictions/test.jsonl": "old"})
    directory = replacing_run(tmp_path / "run")
    directory.publish({"run": "new"})
    for moment in range(100):
        killed_at.seen, killed_at.armed = 0, moment
        try:
            run_folder(tmp_path / "run")
        except Kill:
            continue
        finally:
            killed_at.armed = None
        break
    files = files_of(tmp_path / "run")
    assert files["config.json"] == "new"
    assert files["predictions/test.jsonl"] == "new"


def test_a_link_to_the_folder_and_the_working_directory_are_replaced_too(tmp_path, monkeypatch):
    finished_run(tmp_path / "real", {"config.json": "old"})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    directory = replacing_run(tmp_path / "link")
    directory.publish({"run": "new"})
    directory.replace()
    assert (tmp_path / "link").is_symlink()
    assert files_of(tmp_path / "real")["config.json"] == "new"
    monkeypatch.chdir(tmp_path / "real")
    write(tmp_path / "real", {"data.csv": "mine"})
    directory = replacing_run(".")
    directory.publish({"run": "newer"})
    directory.replace()
    assert files_of(tmp_path / "real")["data.csv"] == "mine"
    assert "newer" in files_of(tmp_path / "real")["all_results.json"]


def test_files_of_others_are_kept_and_named(tmp_path, capsys):
    finished_run(tmp_path / "run", {"config.json": "old", "predictions/test.jsonl": "old"})
    write(tmp_path / "run", {"notes/a.txt": "mine", "predictions/mine.jsonl": "mine"})
    directory = replacing_run(tmp_path / "run")
    told = " ".join(capsys.readouterr().err.split())
    assert "Not of ftkit, and kept: 'notes', 'predictions/mine.jsonl'." in told
    assert "stays as it is until the new one has been proven" in told
    directory.publish({"run": "new"})
    directory.replace()
    files = files_of(tmp_path / "run")
    assert files["notes/a.txt"] == files["predictions/mine.jsonl"] == "mine"


def test_a_manifest_from_elsewhere_leads_to_no_file_outside(tmp_path):
    write(tmp_path, {"precious.txt": "mine", "elsewhere/precious.txt": "mine"})
    folder = tmp_path / "run"
    finished_run(folder, {"config.json": "old"})
    write(folder, {"notes/a.txt": "mine"})
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    names = [
        "../precious.txt",
        str(tmp_path / "precious.txt"),
        "out/precious.txt",
        "notes",
        "x" * 5000,
        "a\0b",
        "",
        ".",
        7,
        "config.json",
    ]
    (folder / ".manifest.json").write_text(json.dumps(names))
    directory = replacing_run(folder)
    directory.publish({"run": "new"})
    directory.replace()
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert (folder / "notes" / "a.txt").read_text() == "mine"
    assert (tmp_path / "elsewhere" / "precious.txt").read_text() == "mine"


def test_a_run_of_an_earlier_ftkit_is_replaced_by_the_names_of_its_files(tmp_path):
    folder = tmp_path / "run"
    write(folder, {**OLD, "tokenizer_config.json": "old", "README.md": "old", "thesis.tex": "mine"})
    directory = replacing_run(folder)
    directory.publish({"run": "new"})
    directory.replace()
    assert sorted(name for name, text in files_of(folder).items() if text in ("old", "mine")) == [
        "modeling_own.py",
        "thesis.tex",
    ]


@pytest.fixture(scope="module")
def trained(checkpoint, tmp_path_factory):
    """A finished run, and a config that would replace it with another."""
    config = run_config(tmp_path_factory.mktemp("replaced"), checkpoint("bert"), **{"train.num_train_epochs": 1})
    return ftkit.train(config).output_dir, config


def test_a_run_that_fails_leaves_the_old_one(trained):
    folder, config = trained
    before = files_of_run(folder)
    with pytest.raises(ftkit.RunError, match="NaN or infinite"):
        ftkit.train(config, {"overwrite": True, "train.learning_rate": 1e30, "train.max_grad_norm": 0.0})
    assert files_of_run(folder) == before
    assert ftkit.load(folder).predict(["my card was lost"])


def test_a_replacement_is_resumed_and_takes_the_place(trained, monkeypatch, capsys):
    folder, config = trained
    before = files_of_run(folder)
    change = {"train.num_train_epochs": 2, "train.seed": 7}

    def rotate(checkpoints_folder, **_):
        if any(checkpoints_folder.glob("checkpoint-3")):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", rotate)
        ftkit.train(config, {"overwrite": True, **change})
    assert files_of_run(folder) == before
    with pytest.raises(ftkit.ConfigError, match="unfinished run that is to replace the one in it.*train.seed was 7"):
        ftkit.train(config, {**change, "train.seed": 8})
    with pytest.raises(ftkit.ConfigError, match="resume=true overwrite=false"):
        ftkit.train(config, {**change, "overwrite": True, "resume": True})
    result = ftkit.train(config, change)
    assert "going on from" in capsys.readouterr().err
    assert result.output_dir == folder
    assert result.metrics["seed"] == 7
    assert load_config(folder / "ftkit.yaml").train.chosen_seed == 7
    assert not list(folder.glob(".replacement*"))
    assert files_of_run(folder).keys() == before.keys()
    assert {path.name for path in folder.glob("checkpoints/checkpoint-*")} == {"checkpoint-3", "checkpoint-6"}


def files_of_run(folder):
    """Returns name -> content of a run's files, without checkpoints and what a replacement has left."""
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".replacement", "checkpoints"} & set(path.parts)
    }
