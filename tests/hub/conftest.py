"""A Hub on this machine, and finished runs to push to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from local_hub import LocalHub
from runs import run_config

WRITER = "hf_local_writer"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """An empty Hub to which this process talks, as the user `me`, with a cache of its own."""
    with LocalHub() as server, server.in_this_process(token=WRITER, cache=tmp_path / "hub-cache"):
        yield server


@pytest.fixture
def no_network(hub: LocalHub) -> Iterator[None]:
    """Forbids the network within the time of the Hub: undone after it, it would leave what the Hub has set."""
    with mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True):
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run that saved a whole model: never write to it."""
    import ftkit
    import tiny

    folder = tmp_path_factory.mktemp("pushed")
    base = tiny.make_checkpoint("bert", folder / "base", sizes={"num_hidden_layers": 1})  # traced layer by layer
    return ftkit.train(run_config(folder, base, **{"train.num_train_epochs": 2})).output_dir


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "intents"))


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """`python(hub, "-c", code)` is what a new process prints that knows this Hub alone."""

    def call(server: LocalHub, *arguments: str, token: str = "", cwd: Path = tmp_path, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env=environment(server, tmp_path, token),
            text=True,
            capture_output=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    return call


def environment(server: LocalHub, home: Path, token: str) -> dict[str, str]:
    """Returns the environment of a process of its own: this Hub, a cache of its own, no other network."""
    return {**os.environ, **server.environment, "HF_HOME": str(home / "hf-home"), "HF_TOKEN": token}
