"""Experiment trackers beside a run: they are told what it is, what the Trainer logs and what came out.

A tracker is a guest. One that raises is named in one warning and left out from then on; the run and its results are
the same with it and without. Only numbers and config values are sent: no token, no variable of the environment, and
of a path its base name.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ftkit.console import warn
from ftkit.data.files import atomic_write_json

if TYPE_CHECKING:
    from ftkit.engine.tracker_backends import Backend, RunDescription

IDS_FILE = "trackers.json"
"""Where a run keeps the ids that its trackers gave it, so that a resumed run continues them."""


class Trackers:
    """The trackers of one run, of which none, some or all may still be open."""

    def __init__(self) -> None:
        self._open: dict[str, Backend] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def start(self, names: Sequence[str], run: RunDescription, *, ids_file: Path, resume: bool) -> None:
        """Opens a run in each tracker, or the run that it already has there.

        Args:
            names: of BACKENDS.
            ids_file: where the trackers' ids of this run are kept.
            resume: whether the run was started before.
        """
        from ftkit.engine.tracker_backends import BACKENDS

        ids = _read_ids(ids_file) if resume else {}
        self._open = {name: BACKENDS[name]() for name in names}
        new_ids: dict[str, str] = {}

        def start(name: str, backend: Backend) -> None:
            if (run_id := backend.start(run, ids.get(name))) is not None:
                new_ids[name] = run_id

        self._each(start)
        if new_ids:
            atomic_write_json(ids_file, {**ids, **new_ids})
        if self._open:
            atexit.register(self.abandon)

    def continue_at(self, step: int) -> None:
        """Tells them that the next numbers belong to steps after `step`."""
        self._each(lambda _, backend: backend.continue_at(step))

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Sends what the Trainer logs at an optimizer step."""
        numbers = {tracked_name(key): float(value) for key, value in values.items() if _is_number(value)}
        self._each(lambda _, backend: backend.log(numbers, step))

    def finish(self, results: Mapping[str, Any], folder: Path) -> None:
        """Sends every number of a finished run, its report and its model card, and closes the trackers.

        Args:
            results: what `all_results.json` holds.
            folder: the run directory.
        """
        numbers = result_numbers(results)
        self._each(lambda _, backend: backend.finish(numbers, int(results["num_steps"]), folder))
        self._forget()

    def abandon(self) -> None:
        """Closes the trackers of a run that did not come to its end."""
        self._each(lambda _, backend: backend.abandon())
        self._forget()

    @contextlib.contextmanager
    def abandoned_on_failure(self) -> Iterator[None]:
        """Closes the trackers if the block raises."""
        try:
            yield
        except BaseException:
            self.abandon()
            raise

    def _forget(self) -> None:
        self._open = {}
        atexit.unregister(self.abandon)

    def _each(self, act: Callable[[str, Backend], None]) -> None:
        """Acts on each tracker that is open; one that raises is open no longer."""
        for name, backend in list(self._open.items()):
            try:
                with _quiet():
                    act(name, backend)
            except Exception as error:
                del self._open[name]
                warn(f"train.report_to: {name} failed, and the run goes on without it: {_reason(error)}")


class TrackerCallback(TrainerCallback):
    """Hands to the trackers what the Trainer logs."""

    def __init__(self, trackers: Trackers) -> None:
        self.trackers = trackers

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Says where a resumed run goes on."""
        if state.global_step:
            self.trackers.continue_at(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Sends the numbers, apart from transformers' own summary, which `Trackers.finish` sends corrected."""
        if logs and "train_runtime" not in logs:
            self.trackers.log(logs, state.global_step)


def tracked_name(key: str) -> str:
    """Returns the name that transformers' integrations give to a number.

    `eval_accuracy` becomes `eval/accuracy`, `loss` becomes `train/loss`, and `train_loss`, the mean over the whole
    training, `train/train_loss`.
    """
    for split in ("eval", "test"):
        if key.startswith(f"{split}_"):
            return f"{split}/{key.removeprefix(f'{split}_')}"
    return f"train/{key}"


def result_numbers(results: Mapping[str, Any]) -> dict[str, float]:
    """Returns all numbers of `all_results.json`, those inside others by their path, and true and false as 1 and 0.

    `{"test_accuracy": 0.75, "num_steps": 24, "proof": {"same_predictions": True}}` becomes
    `{"test/accuracy": 0.75, "num_steps": 24.0, "proof/same_predictions": 1.0}`.
    """
    flat = _flat(results, "/")
    return {
        tracked_name(key) if key.startswith(("train_", "eval_", "test_")) else key: float(value)
        for key, value in flat.items()
        if isinstance(value, bool) or _is_number(value)
    }


def flat_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config as `train.learning_rate` -> 2e-5, with lists as texts and of absolute paths the base names."""
    return {key: _config_value(value) for key, value in _flat(config, ".").items()}


def base_name(text: str) -> str:
    """Returns the last part of an absolute path, and any other text as it is."""
    for flavour in (PurePosixPath, PureWindowsPath):
        path = flavour(text)
        if path.is_absolute() or text.startswith("~"):
            return path.name or text
    return text


def _config_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        parts = [_config_value(item) for item in value]
        return ", ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)
    return base_name(value) if isinstance(value, str) else value


def _flat(values: Mapping[str, Any], separator: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, separator) if isinstance(value, Mapping) else None
        flat |= {str(key): value} if inner is None else {f"{key}{separator}{name}": inner[name] for name in inner}
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _read_ids(path: Path) -> dict[str, str]:
    """Returns tracker -> id; a file that cannot be read costs the continuation, not the run."""
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: run_id for name, run_id in ids.items() if isinstance(run_id, str)} if isinstance(ids, dict) else {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Sends what a tracker prints to stderr, since stdout is for results, and drops notes to its own developers."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield


def _reason(error: Exception) -> str:
    """Returns one line on an error, without the password of an address in it."""
    text = re.sub(r"//[^/@\s]+@", "//", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
