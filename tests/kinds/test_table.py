"""Kinds and tasks are found by name, in a file or module, or among what installed packages offer."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.config.run_config import load_config
from ftkit.data.spec import TextDataSpec
from ftkit.errors import ConfigError
from ftkit.kinds.table import find_kind, find_task, kind_names, kind_of, known_kind, names_file_or_module
from ftkit.runs.checked_run import check_run
from runs import run_config

FILE = """
import dataclasses
import ftkit
from ftkit.kinds.text_classification import KIND

TOPICS = ftkit.Task(name="topics", kind="text-classification", columns={"label": "topic"})
INTENTS = dataclasses.replace(KIND, name="intent-classification")
OF_INTENTS = ftkit.Task(name="support", kind=INTENTS)
UNKNOWN = ftkit.Task(name="x", kind="text-clasification")
NUMBER = 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", kind_names())
def test_a_kind_is_a_task_too(name: str) -> None:
    assert find_task(name).kind is find_kind(name)
    assert kind_of(find_task(name)) is known_kind(name)
    assert not names_file_or_module(name)


def test_a_task_in_a_file(mine: Path) -> None:
    task = find_task(f"{mine}:TOPICS")
    assert (task.name, task.kind_name, kind_of(task)) == (
        "topics",
        "text-classification",
        find_kind("text-classification"),
    )
    assert names_file_or_module(f"{mine}:TOPICS")


def test_a_kind_in_a_file_is_checked_like_the_built_in_ones(mine: Path, checkpoint: Callable[[str], Path]) -> None:
    kind = kind_of(find_task(f"{mine}:INTENTS"))
    assert kind.name == "intent-classification"
    assert kind_of(find_task(f"{mine}:OF_INTENTS")).name == "intent-classification"
    config = run_config(mine.parent, checkpoint("bert"), task=f"{mine}:INTENTS")
    run = check_run(load_config(config, {"data.label_separator": ";"}))
    assert run.kind.name == "intent-classification"
    assert run.labels is not None
    assert run.labels.names == ("card", "food", "sport", "weather")
    with pytest.raises(ConfigError, match=r"data\.source_lang: a key of 'translation'"):
        check_run(load_config(config, {"data.source_lang": "en"}))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("translaton", r"task: there is no task 'translaton'\. Did you mean 'translation'\?"),
        ("{file}:TOPIC", r"task: .*mine\.py has no 'TOPIC'\. Did you mean 'TOPICS'\? It defines 'KIND', 'TOPICS'"),
        ("{file}:NUMBER", r"NUMBER is a int; expected an ftkit\.Task or an ftkit\.Kind\."),
        ("{file}:UNKNOWN", r"There is no kind 'text-clasification'\. Did you mean 'text-classification'\?"),
        ("nowhere.py:TASK", r"task: no file 'nowhere\.py' \(looked at /"),
        ("no_such_package.tasks:TASK", r"task: the module 'no_such_package\.tasks' cannot be imported"),
    ],
)
def test_what_cannot_be_found_is_one_message(name: str, message: str, mine: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        find_task(name.format(file=mine))


def test_a_file_that_fails_is_named_with_its_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"broken\.py failed while it was imported: ZeroDivisionError"):
        find_task(f"{path}:TASK")


def test_installed_packages_offer_kinds_and_tasks(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {"intents": find_task(f"{mine}:INTENTS").kind, "support": find_task(f"{mine}:TOPICS")}

    class Point:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Any:
            return offered[self.name]

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point(name) for name in offered])
    assert isinstance(find_kind("intents"), ftkit.Kind)
    assert find_task("intents").kind is offered["intents"]
    assert find_task("support") is offered["support"]
    assert known_kind("support") is None, "a task is no kind"
    with pytest.raises(ConfigError, match=r"There is 'text-classification', .*'intents', 'support'"):
        find_task("supports of all kinds")


def test_the_documentation_names_every_key_of_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    table = text.partition("| keys of |")[2].partition("\n## ")[0]
    rows = re.split(r"^\| (?=[a-z])", table, flags=re.MULTILINE)
    of_kinds = {row.partition(" |")[0]: set(re.findall("`([^`]+)`", row)) for row in rows}
    common = {*TextDataSpec.model_fields, "augment"}
    for name in kind_names():
        assert set(find_kind(name).data.model_fields) - common <= of_kinds.get(name, set()), name
