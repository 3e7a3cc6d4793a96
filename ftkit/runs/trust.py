"""Whose word counts: a config that a run wrote may be a stranger's, so what it names is data and not an order.

Code comes from the user's own command line or config. What a run's ftkit.yaml asks for beyond that is told by name,
and run only where the user says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig, RunFacts
from ftkit.errors import UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.kinds.kind import Kind
from ftkit.kinds.table import KINDS, find_kind, find_task, kind_of, known_kind, names_file_or_module
from ftkit.kinds.task import Task
from ftkit.metrics.checks import is_external


def check_code_is_trusted(
    source: str | Path | Mapping[str, Any],
    config: RunConfig,
    overrides: Mapping[str, Any] | None,
    *,
    trust_remote_code: bool,
) -> None:
    """Refuses to train from a run's ftkit.yaml what would run code of the run's, or write to where it says.

    Args:
        source: what the config was read from.
        config: with the overrides applied.
        overrides: dotted keys that the user gave in this call; they are the user's own word.

    Raises:
        UserError: naming each such key.
    """
    is_file = not isinstance(source, Mapping)
    if trust_remote_code or not (config.run is not None or (is_file and Path(str(source)).name == CONFIG_FILE)):
        return
    given = set(overrides or {})
    asked = {key: value for key, value in _asked_of(config).items() if not _was_given(key, given)}
    if not asked:
        return
    name = str(source) if is_file else "config"
    listed = "\n".join(f"  {key}: {value}" for key, value in asked.items())
    raise UserError(
        f"{name} was written by a run, and what a run names is not obeyed unasked, since a run may come from anybody. "
        f"It asks for:\n{listed}\n"
        f"Fix: if you know them to be right, say {TRUST_WHEN_OPENED}; or set them yourself, such as "
        f"{_as_override(*next(iter(asked.items())))}."
    )


def _asked_of(config: RunConfig) -> dict[str, Any]:
    """Returns the keys that make a training run execute code or write somewhere else, with what they say."""
    asked: dict[str, Any] = {}
    if names_file_or_module(config.task):
        asked["task"] = config.task
    foreign = foreign_metrics(config.metrics)
    if foreign:
        asked["metrics"] = ", ".join(foreign)
    if config.model.trust_remote_code:
        asked["model.trust_remote_code"] = "true"
    if config.overwrite:
        asked["overwrite"] = "true"
    if config.push is not None:
        asked["push"] = f"repo_id {config.push.repo_id}"
    return asked


def _was_given(key: str, given: set[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in given)


def _as_override(key: str, value: Any) -> str:
    safe = {"task": value, "model.trust_remote_code": "false", "overwrite": "false"}
    return f"{key}={safe.get(key, 'null')}"


def foreign_metrics(names: tuple[str, ...] | None) -> list[str]:
    """Returns those metrics whose computation runs code that is not ftkit's."""
    return [name for name in names or () if is_external(name)]


# --- the task of a run ----------------------------------------------------------------------------------------


def kind_of_run(config: RunConfig, chosen: str | None, *, trust_remote_code: bool) -> Kind:
    """Returns the kind of a run's task.

    Args:
        chosen: the task that the user named in this call.

    Raises:
        UserError: it lies in code that the run names, and the user has not allowed it.
    """
    name = _facts(config).kind
    if (found := known_kind(name)) is not None:
        return found
    named = chosen or (config.task if trust_remote_code else None)
    if named is None:
        raise UserError(
            f"This run is of a kind of its own, {name}, defined by {config.task}, which was not imported.\n"
            f"Fix: name it yourself, --task {_file_name(config.task)}; or, if you trust who made the run, say "
            f"{TRUST_WHEN_OPENED}."
        )
    kind = kind_of(find_task(named))
    if kind.name != name:
        raise UserError(f"--task {named}: it is of kind {kind.name}, the run of kind {name}. Leave it out.")
    return kind


def recorded_task(config: RunConfig) -> Task:
    """Returns a run's task as its ftkit.yaml records it, without importing it: all but the preparing of rows."""
    facts = _facts(config)
    declared = facts.declared
    if declared is None:
        return find_kind(facts.kind).task
    return Task(
        name=facts.task_name,
        kind=facts.kind,
        columns=facts.columns,
        labels=declared.labels,
        problem_type=declared.problem_type,
        metrics=declared.metrics,
        primary_metric=declared.primary_metric,
    )


def chosen_task(name: str, config: RunConfig) -> Task | None:
    """Returns the task that the user named in this call; None for a kind, which says nothing beyond the run's own.

    Raises:
        UserError: there is no such task, or it is of another kind than the run.
    """
    task, facts = find_task(name), _facts(config)
    if task.kind_name != facts.kind:
        raise UserError(f"--task {name}: it is of kind {task.kind_name}, the run of kind {facts.kind}. Leave it out.")
    return None if name in KINDS else task


def task_that_reads(config: RunConfig, *, trust_remote_code: bool) -> Task:
    """Returns a run's task with what prepares rows.

    Raises:
        UserError: that takes code which the user has not allowed.
    """
    name, facts = config.task, _facts(config)
    is_code = names_file_or_module(name)
    if facts.prepared and is_code and not trust_remote_code:
        raise UserError(
            f"This run prepares rows with code of its own, the task {name}, which a run directory does not hold and "
            "which was not run.\n"
            f"Fix: name the task yourself, --task {_file_name(name)}; or, if you trust who made the run, say "
            f"{TRUST_WHEN_OPENED}, and {name} is imported as it stands. Texts given one by one need neither."
        )
    if facts.prepared:
        return find_task(name)
    if facts.declared is None and (trust_remote_code or not is_code):
        return _older_task(config)
    return recorded_task(config)


def _older_task(config: RunConfig) -> Task:
    """Returns the task of a run that recorded little of it; where its code has gone, the kind's own."""
    try:
        return find_task(config.task)
    except UserError:
        return recorded_task(config)


def _file_name(task: str) -> str:
    place, _, attribute = task.rpartition(":")
    return f"{Path(place).name if place.endswith('.py') else 'path.py'}:{attribute}"


def _facts(config: RunConfig) -> RunFacts:
    assert config.run is not None
    return config.run
