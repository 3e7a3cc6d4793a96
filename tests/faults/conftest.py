"""Runs of which a test makes a stranger's, and places where their code cannot do harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ftkit
from adapter_runs import write_adapter_run
from runs import run_config
from untrusted import change_yaml

Checkpoint = Callable[[str], Path]
LABELS = ("card", "food", "sport", "weather")


@pytest.fixture(scope="module")
def whole(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that saved a whole model; tests copy it."""
    config = run_config(tmp_path_factory.mktemp("whole"), checkpoint("bert"), **{"train.max_steps": 1})
    return ftkit.train(config).output_dir


@pytest.fixture(scope="module")
def adapter(checkpoint: Checkpoint, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a LoRA on BERT, with the data of the other run; tests copy it."""
    run = write_adapter_run(tmp_path_factory.mktemp("adapter") / "run", checkpoint("bert"), labels=LABELS)
    columns = {"text": "text", "label": "topic"}
    test = str(whole.parent / "test.csv")
    change_yaml(run, run__columns=columns, data__validation=test, data__columns=columns)
    return run


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """The file that a stranger's code writes when it runs."""
    return tmp_path / "canary"
