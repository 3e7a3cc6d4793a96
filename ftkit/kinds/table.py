"""The built-in kinds, and kinds and tasks of one's own named by file, module or entry point."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from typing import Any

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.kinds.kind import Kind
from ftkit.kinds.task import Task
from ftkit.named_code import load_code
from ftkit.own_code import find_own

KINDS: dict[str, str] = {
    "text-classification": "ftkit.kinds.text_classification:KIND",
    "token-classification": "ftkit.kinds.token_classification:KIND",
    "translation": "ftkit.kinds.translation:KIND",
    "multiple-choice": "ftkit.kinds.multiple_choice:KIND",
    "text-ranking": "ftkit.kinds.text_ranking:KIND",
    "sentence-similarity": "ftkit.kinds.sentence_similarity:KIND",
    "question-answering": "ftkit.kinds.question_answering:KIND",
    "text-generation": "ftkit.kinds.text_generation:KIND",
    "preference-tuning": "ftkit.kinds.preference_tuning:KIND",
    "image-classification": "ftkit.kinds.image_classification:KIND",
    "image-segmentation": "ftkit.kinds.image_segmentation:KIND",
    "audio-classification": "ftkit.kinds.audio_classification:KIND",
    "automatic-speech-recognition": "ftkit.kinds.automatic_speech_recognition:KIND",
    "summarization": "ftkit.kinds.summarization:KIND",
    "fill-mask": "ftkit.kinds.fill_mask:KIND",
    "object-detection": "ftkit.kinds.object_detection:KIND",
    "image-text-to-text": "ftkit.kinds.image_text_to_text:KIND",
    "zero-shot-image-classification": "ftkit.kinds.zero_shot_image_classification:KIND",
}
"""Name -> `module:KIND`, imported when it is first asked for."""

ENTRY_POINTS = "ftkit.tasks"
"""The group in which installed packages offer kinds and tasks."""


def kind_names() -> tuple[str, ...]:
    """Returns the names of the built-in kinds."""
    return tuple(KINDS)


def known_kind(name: str) -> Kind | None:
    """Returns a built-in kind, or one that an installed package offers; None if there is none of this name."""
    if name in KINDS:
        return _built_in(name)
    offered = _entry_points().get(name)
    found = None if offered is None else offered.load()
    return found if isinstance(found, Kind) else None


def find_kind(name: str) -> Kind:
    """Returns the kind of this name.

    Raises:
        ConfigError: neither ftkit nor an installed package has it.
    """
    found = known_kind(name)
    if found is None:
        raise ConfigError(
            f"There is no kind {name!r}.{did_you_mean(name, KINDS)} There is {name_list(KINDS)}. One that lies in a "
            "file or module of its own is named as the task: file.py:NAME."
        )
    return found


def kind_of(task: Task) -> Kind:
    """Returns a task's kind.

    Raises:
        ConfigError: there is none of its name.
    """
    return task.kind if isinstance(task.kind, Kind) else find_kind(task.kind_name)


@functools.cache
def _built_in(name: str) -> Kind:
    return find_own(KINDS[name])


def names_file_or_module(task: str) -> bool:
    """Tells whether finding a task imports a file or module by name; entry points are what the user has installed."""
    return ":" in task


def find_task(name: str) -> Task:
    """Finds a task by kind, `file.py:NAME`, `package.module:NAME`, or `ftkit.tasks` entry point.

    What is named may be a Task or a Kind. A file or module is imported: the name has to be the user's own, never one
    that a run's ftkit.yaml holds.

    Raises:
        ConfigError: there is none, or what was found is neither.
    """
    if name in KINDS:
        return _built_in(name).task
    if names_file_or_module(name):
        return _import_task(name)
    entry_points = _entry_points()
    if name in entry_points:
        return _checked(entry_points[name].load(), name)
    choices = [*KINDS, *entry_points]
    raise ConfigError(
        f"task: there is no task {name!r}.{did_you_mean(name, choices)} There is "
        f"{name_list(choices, limit=len(choices))}; a task of one's own is named file.py:NAME or package.module:NAME."
    )


def _entry_points() -> Mapping[str, Any]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def _import_task(name: str) -> Task:
    """Returns the task that `file.py:NAME` or `package.module:NAME` names.

    Raises:
        ConfigError: the code cannot be imported, or has no task of this name.
    """
    place, _, attribute = name.rpartition(":")
    module = load_code(place, key="task")
    if not hasattr(module, attribute):
        tasks = [key for key, value in vars(module).items() if isinstance(value, (Task, Kind))]
        listed = f" It defines {name_list(tasks)}." if tasks else " It defines no Task and no Kind."
        raise ConfigError(f"task: {place} has no {attribute!r}.{did_you_mean(attribute, tasks)}{listed}")
    return _checked(getattr(module, attribute), name)


def _checked(found: object, name: str) -> Task:
    """Returns what a name stands for as a task.

    Raises:
        ConfigError: it is neither a task nor a kind.
    """
    if isinstance(found, Kind):
        return found.task
    if not isinstance(found, Task):
        raise ConfigError(f"task: {name} is a {type(found).__name__}; expected an ftkit.Task or an ftkit.Kind.")
    kind_of(found)
    return found
