"""Runs of which a test makes a stranger's, and places where their code cannot do harm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ftkit
from adapter_runs import write_adapter_run
from runs import run_config
from untrusted import change_yaml

Checkpoint = Callable[[str], Path]
LABELS = ("card", "food", "sport", "weather")


@pytest.fixture
def code_is_copied_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keeps the copies that transformers and evaluate make of code, and imported modules, out of other tests."""
    import evaluate
    from transformers import dynamic_module_utils
    from transformers.utils import hub

    modules = tmp_path / "modules"
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.setattr(hub, "HF_MODULES_CACHE", str(modules))
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", modules)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "metrics")
    monkeypatch.setattr(evaluate.config, "HF_EVALUATE_OFFLINE", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    strange = ("transformers_modules", "evaluate_modules", "evil", "ftkit_task_evil")
    for name in [name for name in set(sys.modules) - before if name.split(".")[0] in strange]:
        del sys.modules[name]


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
