"""`ftkit train --num-processes` starts Accelerate's launcher: files for it, what is refused, and whole runs."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from torch.distributed.elastic.multiprocessing.api import SignalException

import fresh
from every_kind import EVERY_KIND
from ftkit.cli import launcher
from ftkit.cli.launcher import Launch
from ftkit.config import yaml
from ftkit.engine.interruption import Interruption
from ftkit.engine.launched import warn_of_lonely_process
from ftkit.errors import ConfigError, Interrupted, MachineError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "scripts" / "accelerate").glob("*.yaml"))


def test_there_is_a_file_for_each_way() -> None:
    names = {path.stem for path in FILES}
    assert names == {*("cpu", "one_gpu", "multi_gpu", "two_machines", "fsdp2", "deepspeed_zero2", "deepspeed_zero3")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_what_accelerate_takes(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command

    config = load_config_from_file(str(path))
    assert config.mixed_precision == "no", "what is computed in is said by the run's config"
    where = {"num_machines": 2, "machine_rank": 1, "main_process_ip": "node0"} if "two" in path.stem else {}
    arguments = launcher._arguments(Launch(config_file=str(path), **where), ["train", "run.yaml"], use_cpu=False)
    arguments, _, _ = _validate_launch_command(arguments)
    assert arguments.num_processes == config.num_processes
    assert arguments.use_fsdp == ("fsdp" in path.stem)
    assert arguments.use_deepspeed == ("deepspeed" in path.stem)
    assert arguments.training_script_args == ["train", "run.yaml"]
    assert "ftkit train" in path.read_text(), "it says how it is used"


def test_a_file_for_cpus_makes_several_processes(tmp_path: Path) -> None:
    text = "compute_environment: LOCAL_MACHINE\ndistributed_type: {}\nnum_processes: 2\nuse_cpu: true\n"
    for kind in ("MULTI_CPU", "'NO'"):
        (tmp_path / "launch.yaml").write_text(text.format(kind))
        asked = Launch(config_file=str(tmp_path / "launch.yaml"))
        assert launcher._arguments(asked, ["train", "run.yaml"], use_cpu=True).multi_gpu


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Launch(config_file="missing.yaml"), "--config-file: there is no file missing.yaml"),
        (Launch(num_machines=2, num_processes=4), "--num-machines 2: on each machine, say --machine-rank"),
        (
            Launch(num_machines=2, num_processes=3, machine_rank=0, main_process_ip="a"),
            "--num-processes 3: .* cannot be shared out among 2",
        ),
    ],
)
def test_what_cannot_be_launched_is_told(asked: Launch, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asked.check()


def test_a_launched_process_launches_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match="has been started by a launcher already"):
        Launch(num_processes=2).check()


@pytest.mark.parametrize(("codes", "code"), [((2, 2), 2), ((-15, 2), 2), ((1, -9), 1), ((75, 75), 75)])
def test_the_code_is_that_of_the_rank_that_told(codes: tuple[int, int], code: int) -> None:
    assert launcher._exit_code(dict(enumerate(codes))) == code


def test_ranks_that_were_killed_could_not_tell() -> None:
    with pytest.raises(MachineError, match="The ranks were killed .rank 1 by signal 9"):
        launcher._exit_code({1: -9})
    with pytest.raises(Interrupted, match="Interrupted by SIGTERM before training began"):
        launcher._exit_code({0: -15, 1: -15})


def ended(monkeypatch: pytest.MonkeyPatch, words: Path, launch_command: Any) -> int:
    """Returns what a launch comes to, with another one in the place of Accelerate's."""
    monkeypatch.setattr("accelerate.commands.launch.launch_command", launch_command)
    return launcher._ended(argparse.Namespace(), words, "not all of 2 machines came", Interruption())


def test_one_process_has_its_own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ended(monkeypatch, tmp_path, Mock(side_effect=subprocess.CalledProcessError(2, "ftkit"))) == 2


def test_deepspeed_that_is_missing_is_told_of_a_launch_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("accelerate.commands.launch.is_deepspeed_available", lambda: False)
    asked = Launch(config_file=str(ROOT / "scripts" / "accelerate" / "deepspeed_zero2.yaml"))
    with pytest.raises(ConfigError, match=r"--config-file: it needs a package that is not installed.*pip install 'ft"):
        launcher.launch(asked, ["train", "run.yaml"], use_cpu=False, interruption=Interruption())


@pytest.mark.usefixtures("signals_are_not_ignored")
def test_a_signal_that_no_rank_tells_of_is_told_and_ends_what_had_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def interrupted(_: Any) -> None:
        begun.append(subprocess.Popen(["sleep", "60"]))  # one that torchrun was about to take note of
        raise SignalException("", signal.SIGTERM)

    with pytest.raises(Interrupted, match="SIGTERM before training began. The same command begins it, or goes on"):
        ended(monkeypatch, tmp_path, interrupted)
    assert begun[0].wait(5) is not None
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "error.json").touch()
    told = Mock(side_effect=SignalException("", signal.SIGTERM))
    assert ended(monkeypatch, tmp_path, told) == 75, "a rank has told"


def test_one_process_needs_no_launcher() -> None:
    assert not Launch().is_asked
    assert not Launch(num_processes=1).is_asked
    assert Launch(num_processes=2).is_asked


def test_one_process_where_several_were_asked_for_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from accelerate.commands.launch import launch_command_parser
    from accelerate.utils.launch import prepare_simple_launcher_cmd_env

    for count, is_told in ((2, True), (1, False)):
        words = ["--cpu", "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no"]
        arguments = launch_command_parser().parse_args([*words, "--dynamo_backend", "no", "-m", "ftkit"])
        arguments.use_cpu, arguments.num_cpu_threads_per_process = True, 1
        with monkeypatch.context() as patch:
            for name, value in prepare_simple_launcher_cmd_env(arguments)[1].items():
                patch.setenv(name, value)
            warn_of_lonely_process()
        assert ("asked for several processes and has started one" in capsys.readouterr().err) == is_told


def test_four_ranks_translate_seven_rows(tmp_path: Path) -> None:
    config = EVERY_KIND["translation"](tmp_path / "data")
    (tmp_path / "run.yaml").write_text(yaml.dump(config))
    done = train(tmp_path, "--num-processes", 4, "train.num_train_epochs=1")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = (Path(config["output_dir"]) / "predictions" / "test.jsonl").read_text().splitlines()
    assert len(lines) == 8
    assert "Traceback" not in done.stderr


def test_a_signal_to_the_command_saves_the_step(tmp_path: Path) -> None:
    config = EVERY_KIND["text-classification"](tmp_path / "data")
    config["train"] |= {"num_train_epochs": 2000, "eval_strategy": "no", "save_strategy": "steps", "save_steps": 4}
    (tmp_path / "run.yaml").write_text(yaml.dump(config))
    # Not forked: libraries read what silences them when they are loaded.
    command = [sys.executable, "-m", "ftkit", "train", tmp_path / "run.yaml", "--num-processes", "2"]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        checkpoints = Path(config["output_dir"]) / "checkpoints"
        deadline = time.monotonic() + 200
        while not [*checkpoints.glob("checkpoint-*/manifest.json")]:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "which is saved. The same command goes on with the run." in err
    assert err.strip().splitlines()[-1].startswith("error: Interrupted by SIGTERM")
    for noise in ("find_unused_parameters", "were not passed", "c10d", "[rank", "Traceback"):
        assert noise not in err


def test_a_machine_that_does_not_come_is_waited_for_until_the_timeout(tmp_path: Path) -> None:
    config = EVERY_KIND["translation"](tmp_path / "data")
    (tmp_path / "run.yaml").write_text(yaml.dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--num-machines", 2, "--machine-rank", 0, "--main-process-ip", "127.0.0.1", "--main-process-port", port]
    done = train(tmp_path, "--num-processes", 2, *where, "train.ddp_timeout=3")
    assert done.returncode == 1, done.stderr[-3000:]
    assert "the others have 3 s to come to 127.0.0.1" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: Not all of 2 machines came to 127.0.0.1")
    assert not Path(config["output_dir"]).exists()


def train(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return fresh.python("-m", "ftkit", "train", folder / "run.yaml", *arguments, timeout=300)
