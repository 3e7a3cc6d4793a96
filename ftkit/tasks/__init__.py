"""Tasks: the built-in kinds, and tasks of one's own named by file, module or entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.tasks.kind import KindModule
from ftkit.tasks.task import Task
from ftkit.types import Kind

__all__ = ["ENTRY_POINTS", "KINDS", "Task", "find_task", "kind_module", "names_file_or_module"]

KINDS: dict[Kind, str] = {
    "text-classification": "ftkit.tasks.text_classification",
    "token-classification": "ftkit.tasks.token_classification",
    "translation": "ftkit.tasks.translation",
}
"""Kind -> the module that reads its examples, makes its labels and checks both."""

ENTRY_POINTS = "ftkit.tasks"


def kind_module(kind: Kind) -> KindModule:
    """Returns the module of a kind: its TASK, and how rows become examples."""
    if kind not in KINDS:
        raise ConfigError(f"task: the kind {kind!r} is not there yet; there is {name_list(KINDS)}.")
    return cast("KindModule", importlib.import_module(KINDS[kind]))


def names_file_or_module(task: str) -> bool:
    """Tells whether finding a task imports a file or module by name; entry points are what the user has installed."""
    return ":" in task and task not in KINDS


def find_task(name: str) -> Task:
    """Finds a task by kind, `file.py:NAME`, `package.module:NAME`, or `ftkit.tasks` entry point.

    A file or module is imported: the name has to be the user's own, never one that a run's ftkit.yaml holds.

    Raises:
        ConfigError: there is none, or what was found is not a Task.
    """
    if name in KINDS:
        return kind_module(name).TASK
    if names_file_or_module(name):
        return _import_task(name)
    entry_points = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if name in entry_points:
        return _checked(entry_points[name].load(), name)
    choices = [*KINDS, *entry_points]
    raise ConfigError(
        f"task: there is no task {name!r}.{did_you_mean(name, choices)} There is {name_list(choices)}; "
        "a task of one's own is named file.py:NAME or package.module:NAME."
    )


def _import_task(name: str) -> Task:
    place, _, attribute = name.rpartition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    if not hasattr(module, attribute):
        tasks = [key for key, value in vars(module).items() if isinstance(value, Task)]
        listed = f" It defines {name_list(tasks)}." if tasks else " It defines no Task."
        raise ConfigError(f"task: {place} has no {attribute!r}.{did_you_mean(attribute, tasks)}{listed}")
    return _checked(getattr(module, attribute), name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"task: no file {str(path)!r} (looked at {path.absolute()}).")
    name = f"ftkit_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"task: {path} failed while it was imported: {type(error).__name__}: {error}") from error
    return module


def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"task: the module {name!r} cannot be imported: {error}.") from None


def _checked(task: object, name: str) -> Task:
    if not isinstance(task, Task):
        raise ConfigError(f"task: {name} is a {type(task).__name__}; expected an ftkit.Task.")
    kind_module(task.kind)
    return task
