"""A run directory: who may write it, what lies where, and how it becomes whole in one step."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig, load_config
from ftkit.console import is_main_process, note
from ftkit.data.cells import shown
from ftkit.data.files import atomic_write_json, atomic_write_text
from ftkit.errors import ConfigError, Interrupted, MachineError, name_list
from ftkit.json_file import read_json, read_json_object
from ftkit.paths import check_can_make, user_path
from ftkit.runs.files import (
    CHECKPOINT_FILE,
    CHECKPOINTS,
    DATA_FILE,
    GIVEN_FILE,
    RESULTS_FILE,
    STAGING,
    STAGING_MARK,
)
from ftkit.runs.going_on import how_to_train_on
from ftkit.runs.lock import RunLock, check_is_free
from ftkit.runs.replacement import REPLACEMENT, finish_replacement, foreign_entries, write_manifest

# Settings that may differ when a run goes on: they change where it lies, or what is said or kept, not what is learnt.
FREE_ON_RESUME = {"resume", "overwrite", "output_dir", "run", "push"}
FREE_TRAIN_KEYS_ON_RESUME = {"logging_steps", "report_to", "save_total_limit", "run_name", "project"}
# What may differ besides while a run is unfinished: by these it goes on with another number of processes. Whether
# optimizer steps stay the same is seen when the rows are known; see ftkit.engine.global_batch.
BATCH_KEYS = {
    "train.per_device_train_batch_size",
    "train.max_tokens_per_batch",
    "train.gradient_accumulation_steps",
}
# So does one that shares out its model from now on, or no longer does; see ftkit.engine.resharding.
SHARDING_KEYS = {"train.fsdp"}
# Likewise: a stream that ended at a bad row goes on without such rows.
KEYS_OF_UNFINISHED = BATCH_KEYS | SHARDING_KEYS | {"data.on_bad_row"}


class RunDirectory:
    """The folder of one run. Nothing is written before `start`; `publish` and `replace` make the result visible.

    The same command starts a run, goes on with one that was interrupted, and leaves a finished one as it is. A run
    that replaces another is trained in a hidden folder within it: the old run stays whole until the new one has been
    proven; see ftkit.runs.replacement.

    Attributes:
        path: where the finished run lies.
        work: where it is trained: `path`, or the hidden folder.
        lock: keeps other processes from training there.
        is_finished: whether `work` holds a finished run, and nothing is left to do.
        continues: whether `work` holds an interrupted run that has saved a checkpoint.
        is_started: whether this process trains the run, and has found or written what tells which run it is.
    """

    def __init__(self, config: RunConfig) -> None:
        """Finds out where a run is to be trained; every process does so before one of them writes."""
        self.path = user_path(config.output_dir, "output_dir")
        self.lock = RunLock()
        finish_replacement(self.path)  # of a proven run, whose last renames were interrupted
        replacement = self.path / REPLACEMENT
        replaces = config.overwrite and self._holds_run
        continues_replacing = config.resume is not False and (replacement / CONFIG_FILE).is_file()
        self.work = replacement if replaces or continues_replacing else self.path
        self.is_finished = not replaces and (self.work / RESULTS_FILE).is_file()
        self.is_started = False
        self._token = secrets.token_hex(4)
        self._before: set[Path] | None = None  # what lay there when the run was started by this process
        self.continues = not replaces and not self.is_finished and any(self.checkpoints.glob("checkpoint-*"))

    @property
    def checkpoints(self) -> Path:
        """Where the Trainer saves."""
        return self.work / CHECKPOINTS

    @property
    def staging(self) -> Path:
        """Where results are put together until they have been proven: a name that no other process gives."""
        return self.work / f"{STAGING}-{self._token}"

    @property
    def _holds_run(self) -> bool:
        return (self.path / CONFIG_FILE).is_file()

    def check(self, config: RunConfig) -> None:
        """Refuses a folder that holds something else than this run, finished or not.

        Raises:
            ConfigError: it holds another run and `overwrite` is not asked for, or files that are no run.
        """
        where = f"output_dir: {self.path}"
        if config.resume and config.overwrite:
            raise ConfigError(
                "resume and overwrite exclude one another. To continue a run: resume=true overwrite=false; to start "
                "anew: resume=false overwrite=true."
            )
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{where} is a file; name a folder.")
        if not self.is_finished:
            check_can_make(self.path, "output_dir")
        if is_main_process():
            check_is_free(self.path)
        if self._holds_run:
            if not config.overwrite:
                self._check_same_run(config)
        elif self.path.is_dir() and (foreign := foreign_entries(self.path)):
            raise ConfigError(
                f"{where} is not empty, and what it holds is not a run ({name_list(foreign, limit=3)}). Choose "
                "another folder."
            )

    def _check_same_run(self, config: RunConfig) -> None:
        holds = f"output_dir: {self.path} already holds a {'finished' if self.is_finished else 'started'} run"
        if config.resume is False:
            train_on = f" {how_to_train_on(self.path, config)}" if self.is_finished else ""
            raise ConfigError(
                f"{holds}. Choose another output_dir; or resume=false overwrite=true replaces it.{train_on}".rstrip()
            )
        given = self.checkpoints / GIVEN_FILE  # what ftkit.yaml holds in the end is more: what was found besides
        given = given if given.is_file() else self.work / CONFIG_FILE
        before, now = _comparable(load_config(given)), _comparable(config)
        changed = sorted(key for key in before | now if before.get(key) != now.get(key))
        if not self.is_finished:
            changed = [key for key in changed if key not in KEYS_OF_UNFINISHED]
        if not changed:
            return
        listed = "; ".join(f"{key} was {shown(before.get(key))}, is {shown(now.get(key))}" for key in changed[:6])
        if self.work != self.path:
            holds = f"output_dir: {self.path} holds an unfinished run that is to replace the one in it"
        raise ConfigError(
            f"{holds}, with other settings: {listed}. A run that goes on must be the same run. Choose another "
            f"output_dir; or overwrite=true replaces it. {self._advice(changed, config)}".rstrip()
        )

    def _advice(self, changed: Sequence[str], config: RunConfig) -> str:
        """Returns how a finished run is trained on, where it can be, and why epochs are not just added."""
        if not self.is_finished or any(key.startswith("model.") for key in changed):
            return ""
        added = set(changed) <= {"train.num_train_epochs", "train.max_steps"}
        reason = "Epochs cannot be added: its learning rate has come to its end. " if added else ""
        return f"{reason}{how_to_train_on(self.path, config)}"

    def start(
        self, config: RunConfig, fingerprints: Mapping[str, str], weights: Mapping[str, str | None] | None = None
    ) -> None:
        """Takes the lock, makes the folder and writes the config, so that a killed run can go on.

        Args:
            fingerprints: of the data, by split.
            weights: fingerprints of what the run starts from, by its key in the config.

        Raises:
            ConfigError: another process trains there, or data or checkpoint of a run that goes on have changed since
                it was started.
        """
        before = entries(self.work.parent) | entries(self.work)
        self.lock.take(self.path)
        now = RunDirectory(config)
        if (now.work, now.is_finished, now.continues) != (self.work, self.is_finished, self.continues):
            raise ConfigError(
                f"output_dir: another process has trained into {self.path} meanwhile. Repeat the command."
            )
        if self.continues:
            self.check_same_data(fingerprints)
            self.check_same_weights(weights or {})
            self._write_config(config)
            self.is_started = True
            return
        self._before = before
        if self.work != self.path:
            shutil.rmtree(self.work, ignore_errors=True)  # of a replacement that did not come to its end
            foreign = foreign_entries(self.path)
            kept = f" Not of ftkit, and kept: {name_list(foreign)}." if foreign else ""
            note(f"The run in {self.path} stays as it is until the new one has been proven ({self.work}).{kept}")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self._remove_half_written()
        atomic_write_json(self.checkpoints / DATA_FILE, dict(fingerprints))
        if weights:
            atomic_write_json(self.checkpoints / CHECKPOINT_FILE, dict(weights))
        self._write_config(config)
        self.is_started = True

    def _remove_half_written(self) -> None:
        """Removes what a start that was killed was writing; no other process writes here, as the lock is taken."""
        names = (
            self.work / CONFIG_FILE,
            *(self.checkpoints / name for name in (DATA_FILE, CHECKPOINT_FILE, GIVEN_FILE)),
        )
        for path in names:
            for half in path.parent.glob(f".{path.name}.????????.tmp"):
                half.unlink(missing_ok=True)

    def _write_config(self, config: RunConfig) -> None:
        text = config.to_yaml()
        atomic_write_text(self.checkpoints / GIVEN_FILE, text)
        atomic_write_text(self.work / CONFIG_FILE, text)  # last: what makes the folder a run

    def check_is_there(self) -> None:
        """Makes sure that what has been started here is still here, and not the run of another process.

        A process that was suspended, and wakes after another has taken the folder over, learns it here.

        Raises:
            FileNotFoundError: something removed it.
        """
        for path in (self.path, self.checkpoints):
            os.stat(path)
        self.lock.check_is_held()

    @property
    def _is_taken_over(self) -> bool:
        try:
            self.lock.check_is_held()
        except MachineError:
            return True
        except (OSError, ValueError):
            return False
        return False

    @contextlib.contextmanager
    def withdrawn_on_failure(self) -> Iterator[None]:
        """Removes what `start` and what follows have made, if the block raises before anything has been saved.

        The corrected command then starts as if nothing had been. A run that was interrupted keeps its folder.
        """
        try:
            yield
        except Interrupted:
            raise
        except Exception:
            if self._before is not None and self._has_saved_nothing and not self._is_taken_over:
                self._withdraw(self._before)
            raise

    @property
    def _has_saved_nothing(self) -> bool:
        try:
            return not any(self.checkpoints.glob("checkpoint-*")) and not any(self.work.glob(f"{STAGING}*"))
        except OSError:  # a folder that cannot be read any more
            return False

    def _withdraw(self, before: set[Path]) -> None:
        with contextlib.suppress(OSError):  # a disk that is read-only by now
            for path in entries(self.work) - before:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() and not path.is_symlink() else path.unlink()
            if self.work not in before and not entries(self.work):
                self.work.rmdir()

    def check_same_data(self, fingerprints: Mapping[str, str]) -> None:
        """Refuses data that is not what the run was started with.

        Raises:
            ConfigError: naming the splits.
        """
        before: Any
        try:
            before = read_json(self.checkpoints / DATA_FILE)
        except (OSError, ValueError):
            before = None
        if not isinstance(before, dict):
            raise ConfigError(
                f"resume: {self.checkpoints / DATA_FILE} is missing or damaged, so that nobody can tell what data the "
                "run was started with. Start again with resume=false overwrite=true."
            )
        changed = sorted(name for name in before | dict(fingerprints) if before.get(name) != fingerprints.get(name))
        if changed:
            raise ConfigError(
                f"output_dir: {self.path} holds a run whose data of {', '.join(changed)} has changed since it was "
                "started, so that it would not be the same run. Bring the old file back, choose another output_dir, "
                "or replace it with overwrite=true."
            )

    def check_same_weights(self, weights: Mapping[str, str | None]) -> None:
        """Refuses a checkpoint whose files are not those that the run was started from.

        Args:
            weights: as of `start`.

        Raises:
            ConfigError: naming the keys of the config.
        """
        before: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):  # an earlier release wrote none
            before = read_json_object(self.checkpoints / CHECKPOINT_FILE)
        changed = sorted(key for key in weights if key in before and before[key] != weights[key])
        if changed:
            raise ConfigError(
                f"output_dir: {self.path} holds a run that started from other weights: {', '.join(changed)} has "
                "changed since, so that it would not be the same run. Bring the old files back, choose another "
                "output_dir, or replace it with overwrite=true."
            )

    def results(self) -> dict[str, Any]:
        """Returns what a finished run's `all_results.json` holds."""
        return read_json(self.path / RESULTS_FILE)

    def new_staging(self) -> Path:
        """Returns an empty staging folder inside the run.

        Raises:
            FileNotFoundError: the run was removed, or another process has taken it over.
        """
        self.check_is_there()
        for left in self.work.glob(f"{STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
        self.staging.mkdir()
        (self.staging / STAGING_MARK).touch()
        return self.staging

    def publish(self, results: Mapping[str, Any]) -> None:
        """Moves every staged file to its place in `work`; `all_results.json`, which makes a run finished, comes last.

        From then on a run that replaces another is sure to take its place; see `replace`.

        Raises:
            FileNotFoundError: the staged files were removed, and what is there now is a part of them; or another
                process has taken the run over.
        """
        self.check_is_there()
        (self.staging / STAGING_MARK).unlink()
        staged = [file.relative_to(self.staging) for file in sorted(self.staging.rglob("*")) if file.is_file()]
        write_manifest(self.work, map(Path.as_posix, staged))
        for name in staged:
            target = self.work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.staging / name, target)
        shutil.rmtree(self.staging)
        atomic_write_json(self.work / RESULTS_FILE, dict(results))

    def replace(self) -> None:
        """Puts a finished run that replaces another in its place."""
        finish_replacement(self.path)


def entries(folder: Path) -> set[Path]:
    """Returns what lies in a folder; nothing if there is none."""
    return set(folder.iterdir()) if folder.is_dir() else set()


def _comparable(config: RunConfig) -> dict[str, Any]:
    """Returns the settings that decide what is learnt, flat: `train.seed` -> 42."""
    flat: dict[str, Any] = {}
    for key, value in config.model_dump(mode="json", exclude_none=True, exclude=FREE_ON_RESUME).items():
        items = value.items() if isinstance(value, dict) else [(None, value)]
        flat |= {f"{key}.{name}" if name else key: inner for name, inner in items}
    return {key: value for key, value in flat.items() if key.removeprefix("train.") not in FREE_TRAIN_KEYS_ON_RESUME}
