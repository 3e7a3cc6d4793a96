"""Runs that a stranger made: each asks for code in one way, and the code would write a file if it ran."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftkit.config import yaml as strict_yaml

TASK = """
from pathlib import Path

Path({canary!r}).write_text("the task")

from ftkit import Task

T = Task(
    name="topics",
    kind="text-classification",
    columns={{"text": "text", "label": "topic"}},
    prepare=lambda cells: {{**cells, "text": str(cells["text"])}},
)
"""

METRIC = """
from pathlib import Path

Path({canary!r}).write_text("the metric")

import datasets
import evaluate


class Share(evaluate.Metric):
    def _info(self):
        number = datasets.Value("int64")
        features = datasets.Features({{"predictions": number, "references": number}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {{"share": 0.5}}
"""

MODEL = """
from pathlib import Path

Path({canary!r}).write_text("the model")

from transformers import BertConfig, BertForSequenceClassification, BertTokenizer


class Config(BertConfig):
    model_type = {model_type!r}


class Model(BertForSequenceClassification):
    config_class = Config


class Tokenizer(BertTokenizer):
    pass
"""

AUTO_MAP = {"AutoConfig": "evil_model.Config", "AutoModelForSequenceClassification": "evil_model.Model"}


class Pickled:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.canary, "the pickle")


def hostile_copy(run: Path, folder: Path, canary: Path, **changes: Any) -> Path:
    """Copies a run with the files of a stranger's code in it, and with keys of its ftkit.yaml changed.

    Args:
        folder: where to; it must not exist.
        canary: the file that the code writes.
        changes: dotted key with `__` for the dot -> value, such as `run__prepared=True`.
    """
    shutil.copytree(run, folder)
    (folder / "evil.py").write_text(TASK.format(canary=str(canary)))
    (folder / "evil_metric.py").write_text(METRIC.format(canary=str(canary)))
    (folder / "evil_model.py").write_text(MODEL.format(canary=str(canary), model_type="bert"))
    change_yaml(folder, **changes)
    return folder


def change_yaml(folder: Path, **changes: Any) -> None:
    file = folder / "ftkit.yaml"
    config, _ = strict_yaml.load(file.read_text(encoding="utf-8"), "ftkit.yaml")
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = config
        for section in sections:
            place = place[section]
        place[last] = value
    file.write_text(strict_yaml.dump(config), encoding="utf-8")


def change_json(file: Path, changes: Mapping[str, Any]) -> None:
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**found, **changes}), encoding="utf-8")


def pickled(file: Path, canary: Path) -> None:
    file.write_bytes(pickle.dumps({"weight": Pickled(canary)}))


def rows(run: Path) -> Path:
    """Returns the labelled rows that a run of `runs.run_config` was tested on."""
    return run.parent / "test.csv"


def on_one_line(command: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """Returns a command that gives its exit code, and what it said without line breaks."""

    def call(*arguments: object) -> tuple[int, str]:
        code, _, told = command(*arguments)
        assert "Traceback" not in told
        return code, " ".join(told.split())

    return call
