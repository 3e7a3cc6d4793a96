"""What is read is never written over, by whatever name it is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftkit.data.outputs import check_output
from ftkit.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "all_results.json").write_text("{}")
    os.symlink("rows.jsonl", tmp_path / "link.jsonl")
    os.link(tmp_path / "rows.jsonl", tmp_path / "hard.jsonl")
    os.symlink("photos", tmp_path / "pictures")
    return tmp_path


@pytest.mark.parametrize("name", ["rows.jsonl", "./rows.jsonl", "photos/../rows.jsonl", "link.jsonl", "hard.jsonl"])
@pytest.mark.parametrize("read", ["rows.jsonl", "link.jsonl"])
def test_an_input_is_no_output(name: str, read: str) -> None:
    with pytest.raises(UserError, match="it is what is read, and would be lost"):
        check_output(name, sources=["other.jsonl", read])
    with pytest.raises(UserError, match="it is what is read"):
        check_output(Path(name).absolute(), sources=[read])


@pytest.mark.parametrize("name", ["photos/out.jsonl", "./photos/cat/out.csv", "pictures/out.jsonl"])
def test_a_folder_that_is_read_takes_no_output(name: str) -> None:
    with pytest.raises(UserError, match="the folder that is read"):
        check_output(name, sources=["photos"])


def test_a_run_keeps_its_files() -> None:
    with pytest.raises(UserError, match="is a file of run already"):
        check_output("run/all_results.json", run="run")
    check_output("run/scores.json", run="run")


@pytest.mark.parametrize("name", [None, "-", "out.jsonl", "new/out.jsonl", "photos.jsonl"])
def test_other_files_are_written(name: str | None) -> None:
    check_output(name, sources=["rows.jsonl", "photos", None, "missing.csv"], run="run")


def test_demo_data_is_kept() -> None:
    import ftkit

    with pytest.raises(UserError, match="which is the same file as ftkit:support/test.csv"):
        check_output(Path(ftkit.__file__).parent / "demo/support/test.csv", sources=["ftkit:support/test.csv"])
