"""Paths that no file system takes, or where nothing can be written, wherever a user names one."""

import os
from pathlib import Path

import pytest

from ftkit.config.run_config import load_config
from ftkit.data.files import free_folder
from ftkit.data.outputs import check_output
from ftkit.data.readers import resolve
from ftkit.data.writers import open_writer
from ftkit.errors import UserError
from ftkit.models.checkpoint import inspect_checkpoint, resolve_path
from ftkit.models.spec import ModelSpec
from ftkit.paths import check_can_make, user_path
from ftkit.report.files import rebuild
from ftkit.runs.directory import RunDirectory
from ftkit.runs.open_run import is_export, run_folder
from runs import SETTINGS

BAD = {
    "a long name": ("x" * 5000, "is too long for a path: 5,000 characters"),
    "a deep path": ("d/" * 3000, "is too long for a path"),
    "NUL": ("a\0b", "holds a character that no path has"),
    "nobody": ("~nobody-of-this-name/x", "there is no user of this name"),
}


def output_dir(path):
    config = load_config(
        {**SETTINGS, "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": str(path), "overwrite": True}
    )
    RunDirectory(config).check(config)


def write(path):
    with open_writer(str(path), "jsonl"):
        pass


READ = [load_config, resolve, resolve_path, run_folder, is_export, rebuild]
WRITE = [output_dir, free_folder, write, lambda path: check_output(path, sources=["x"])]


@pytest.mark.parametrize(("path", "told"), BAD.values(), ids=BAD)
def test_what_is_no_path_is_told_in_one_short_message(path, told):
    for take in (*READ, *WRITE):
        with pytest.raises(UserError, match=told) as caught:
            take(path)
        assert len(str(caught.value)) < 300


def test_a_place_in_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for take in (output_dir, free_folder, lambda path: check_output(path, sources=["x"])):
        with pytest.raises(UserError, match=r"cannot be made, as .*/file is a file"):
            take(str(tmp_path / "file" / "run"))
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\udcff"])
def test_a_name_that_a_terminal_obeys_is_not_made(tmp_path, name):
    with pytest.raises(UserError, match="output_dir: .* holds a control character, or one that is no UTF-8"):
        check_can_make(tmp_path / name, "output_dir")


def test_a_read_only_place_is_told_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # to root, nothing is
    with pytest.raises(UserError, match="output_dir: .*x cannot be written: .* is read-only, or not yours"):
        output_dir(tmp_path / "new" / "x")


def test_folders_above_that_are_missing_are_made(tmp_path):
    check_can_make(tmp_path / "a" / "b" / "c", "output_dir")
    write(tmp_path / "a" / "b" / "c.jsonl")
    assert (tmp_path / "a" / "b" / "c.jsonl").is_file()


def test_the_home_folder_is_meant_by_a_tilde():
    assert user_path("~/x") == Path.home() / "x"


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a b"])
def test_a_checkpoint_that_neither_a_folder_nor_the_hub_can_have(name):
    with pytest.raises(UserError, match=r"model\.checkpoint"):
        inspect_checkpoint(ModelSpec(checkpoint=name))
