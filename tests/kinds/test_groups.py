"""`data.group` keeps what belongs together on one side of a split, in every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.config.run_config import load_config
from ftkit.errors import ConfigError, DataError
from ftkit.runs.checked_run import CheckedRun, check_run

NUMBERS = range(40)
"""Rows; each author wrote four."""

ROWS: dict[str, Callable[[int], dict[str, Any]]] = {
    "text-classification": lambda number: {"text": f"text number {number}", "label": "ab"[number % 2]},
    "token-classification": lambda number: {"tokens": ["Anna", f"left{number}"], "tags": ["B-PER", "O"]},
    "translation": lambda number: {"source": f"text number {number}", "target": f"Text Nummer {number}"},
}


def checked(folder: Path, checkpoint: Path, task: str, *, authors: bool = True, **data: Any) -> CheckedRun:
    rows = [ROWS[task](number) | ({"author": number // 4} if authors else {}) for number in NUMBERS]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = {
        "task": task,
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(folder / "rows.jsonl"), "validation": 0.2, **data},
        "output_dir": str(folder / "run"),
    }
    return check_run(load_config(config))


@pytest.mark.parametrize(("task", "name"), [(task, "t5" if task == "translation" else "bert") for task in ROWS])
def test_whole_groups_are_held_out(checkpoint: Any, tmp_path: Path, task: str, name: str) -> None:
    run = checked(tmp_path, checkpoint(name), task, group="author")
    groups = {split: {example.group for example in run.splits[split].examples} for split in ("train", "validation")}
    assert len(groups["validation"]) == 2
    assert not groups["train"] & groups["validation"]
    assert not any("author" in warning for warning in run.warnings)


def test_the_role_says_the_same_as_the_key(checkpoint: Any, tmp_path: Path) -> None:
    by_key = checked(tmp_path, checkpoint("bert"), "text-classification", group="author")
    by_role = checked(tmp_path, checkpoint("bert"), "text-classification", columns={"group": "author"})
    assert by_key.splits["validation"].examples == by_role.splits["validation"].examples


def test_groups_in_train_and_test_are_told(checkpoint: Any, tmp_path: Path) -> None:
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"text": "another text", "label": "a", "author": 0}))
    run = checked(tmp_path, checkpoint("bert"), "text-classification", group="author", validation=None, test=str(test))
    assert any("leak: 1 of 1 rows of test share their author with rows of train: '0'" in text for text in run.warnings)


def test_a_column_that_is_not_there_stops_the_run(checkpoint: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train: no row says its group: column 'author' is empty or not there"):
        checked(tmp_path, checkpoint("bert"), "text-classification", authors=False, group="author", validation=None)


def test_a_role_that_no_kind_has_names_the_common_one(checkpoint: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no role 'groups'. Did you mean 'group'\?"):
        checked(tmp_path, checkpoint("bert"), "text-classification", columns={"groups": "author"})
