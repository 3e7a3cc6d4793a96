"""A disk that is really full, and one that is really read-only: a file system in memory, where one may be made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import ftkit
from ftkit.engine import checkpoints
from ftkit.errors import MachineError
from runs import run_config

STEPS = {"train.max_steps": 2, "train.save_strategy": "steps", "train.save_steps": 1, "train.eval_strategy": "no"}


class Disk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "ftkit-test", self.folder], check=True)

    def protect(self) -> None:
        """Makes it read-only, though a file of it is open to be written."""
        subprocess.run(["mount", "--bind", self.folder, self.folder], check=True)
        self.remount("bind,ro")

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 64 kB."""
    found = Disk(tmp_path / "disk")
    found.folder.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    try:
        found.mount("size=64k")
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a file system")
    yield found
    subprocess.run(["umount", "-l", found.folder], check=True)


@pytest.fixture(scope="module")
def whole(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    config = run_config(tmp_path_factory.mktemp("whole"), checkpoint("bert"), **STEPS)
    return config, ftkit.train(config).output_dir


def assert_same_weights(one: Path, other: Path) -> None:
    weights = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())


@pytest.mark.parametrize("kilobytes", [64, 300, 900])
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(
    whole: tuple[dict[str, Any], Path], disk: Disk, kilobytes: int
) -> None:
    config, expected = whole
    disk.remount(f"size={kilobytes}k")
    with pytest.raises(
        MachineError, match=r"(too full|is full|could not be written whole).*Free some space"
    ) as raised:
        ftkit.train(config, {"output_dir": str(disk.folder / "run")})
    assert raised.value.exit_code == 1
    assert not [path for path in disk.folder.rglob("*") if path.name.endswith(".tmp")]
    disk.remount("size=50m")
    assert_same_weights(ftkit.train(config, {"output_dir": str(disk.folder / "run")}).output_dir, expected)


def test_a_run_on_a_disk_that_becomes_read_only_goes_on_when_it_can_be_written(
    whole: tuple[dict[str, Any], Path], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, expected = whole
    disk.remount("size=50m")
    rotate = checkpoints.rotate

    def protect(*arguments: Any, **options: Any) -> None:
        rotate(*arguments, **options)
        disk.protect()

    with monkeypatch.context() as patch, pytest.raises(MachineError) as raised:
        patch.setattr(checkpoints, "rotate", protect)
        ftkit.train(config, {"output_dir": str(disk.folder / "run")})
    assert re.search(
        r"read-only by now\. Make it writable.*checkpoint-1 is whole: the same command", str(raised.value)
    )
    subprocess.run(["umount", disk.folder], check=True)
    assert_same_weights(ftkit.train(config, {"output_dir": str(disk.folder / "run")}).output_dir, expected)


NOBODY = 65534


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_run_that_loses_its_permission_goes_on_when_it_has_it(
    is_readable: bool, whole: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root becomes somebody else")
    config, expected = whole
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755 if is_readable else 0o700)
    rotate = checkpoints.rotate

    def become_nobody(*arguments: Any, **options: Any) -> None:
        rotate(*arguments, **options)
        os.seteuid(NOBODY)

    try:
        with monkeypatch.context() as patch, pytest.raises(MachineError) as raised:
            patch.setattr(checkpoints, "rotate", become_nobody)
            ftkit.train(config, {"output_dir": str(folder / "run")})
    finally:
        os.seteuid(0)
    assert raised.value.exit_code == 1
    assert "There is no permission for" in str(raised.value)
    safe = "checkpoint-1 is whole" if is_readable else "What was saved is as it was"
    assert f"{safe}: the same command goes on from there" in str(raised.value)
    assert_same_weights(ftkit.train(config, {"output_dir": str(folder / "run")}).output_dir, expected)
    shutil.rmtree(folder)


def test_predictions_on_a_disk_that_is_full_or_read_only_leave_the_old_file(
    whole: tuple[dict[str, Any], Path], disk: Disk, command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    _, run = whole
    inputs, output = tmp_path / "in.txt", disk.folder / "out.jsonl"
    inputs.write_text("our team won\n" * 2_000)
    output.write_text("old")
    for options, words in (("size=64k", "is full"), ("ro", "read-only")):
        disk.remount(options)
        code, _, errors = command("predict", run, "--input", inputs, "--output", output)
        assert code in (1, 2)
        assert words in errors
        assert "Traceback" not in errors
        assert output.read_text() == "old"
    disk.remount("rw,size=50m")
