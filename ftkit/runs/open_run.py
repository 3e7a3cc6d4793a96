"""Finished runs and exported models, opened to be predicted with, scored, pushed or made into something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import RunConfig, load_config
from ftkit.errors import CheckpointError, UserError, did_you_mean
from ftkit.json_file import read_json_object
from ftkit.models.checkpoint import BUILT_IN, resolve_path
from ftkit.models.repository import fetch, parse_repository
from ftkit.paths import user_path
from ftkit.runs.files import (
    EXPORT_FILE,
    RESULTS_FILE,
)
from ftkit.runs.replacement import finish_replacement


def open_run(path: str | Path, *, trust_remote_code: bool = False) -> tuple[Path, RunConfig]:
    """Returns a finished run's folder and config. Whoever made the run, nothing of it is executed.

    Args:
        path: a run directory, wherever it comes from.
        trust_remote_code: the caller's word on code that the run asks for. It replaces what its ftkit.yaml says.

    Raises:
        UserError: it is not a run, or was never finished.
    """
    folder = _existing(path, with_code=trust_remote_code)
    if is_export(folder):
        raise UserError(
            f"{folder} is an exported model: it can predict and be scored, but holds no weights. Name the run that it "
            "was made from."
        )
    if not (folder / RESULTS_FILE).is_file():
        raise UserError(
            f"{folder} holds a run that was not finished. The command that started it goes on with it: ftkit train "
            "CONFIG"
        )
    return folder, _finished_config(folder, trust_remote_code)


def open_export(path: str | Path, *, trust_remote_code: bool = False) -> tuple[Path, RunConfig]:
    """Returns an exported model's folder and the config of its run.

    Args:
        trust_remote_code: as `open_run`.

    Raises:
        UserError: it is none.
    """
    folder = _existing(path, with_code=trust_remote_code)
    if not is_export(folder):
        raise UserError(f"{folder} is not an exported model: it holds no {EXPORT_FILE}.")
    return folder, _finished_config(folder, trust_remote_code)


def is_export(path: str | Path) -> bool:
    """Tells whether a folder holds an exported model."""
    return (user_path(path) / EXPORT_FILE).is_file()


def run_folder(path: str | Path, *, with_code: bool = False) -> Path:
    """Returns the folder of a run: as named, or of a repository on the Hub the files in the cache.

    A run whose replacing by another was interrupted is replaced first.

    Args:
        path: a folder, `owner/name` or `owner/name@revision`.
        with_code: also fetch Python files; nothing of them runs here.

    Raises:
        UserError: there is neither.
        HubError: the Hub cannot be reached, and the cache does not have it.
    """
    repository = parse_repository(path)
    if repository is not None:
        return fetch(repository, with_code=with_code)
    folder = Path(resolve_path(str(path))) if str(path).startswith(BUILT_IN) else user_path(path)
    if folder.is_file():
        raise UserError(f"{path} is a file; name the folder that holds it, such as {folder.parent}.")
    if not folder.is_dir():
        parent = folder.absolute().parent
        siblings = [entry.name for entry in parent.glob("*/")] if parent.is_dir() else []
        on_hub = f" If it is a repository on the Hub, write {path}@main." if str(path).count("/") == 1 else ""
        raise UserError(
            f"No run {str(path)!r} (looked at {folder.absolute()}).{did_you_mean(folder.name, siblings)}{on_hub}"
        )
    finish_replacement(folder)
    return folder


def saved_config(folder: Path) -> dict[str, Any]:
    """Returns config.json of a run: what transformers reads of the model.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        return read_json_object(folder / "config.json")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'} cannot be read: {error}. Copy the run again.") from None


def _existing(path: str | Path, *, with_code: bool = False) -> Path:
    folder = run_folder(path, with_code=with_code)
    if not (folder / CONFIG_FILE).is_file():
        if is_plain(folder):
            what = ". ftkit predict and ftkit evaluate read it as a plain checkpoint; other commands need a run."
        else:
            what = ", and no checkpoint: neither config.json nor adapter_config.json."
        raise UserError(f"{folder} is not a run of ftkit: it holds no {CONFIG_FILE}{what}")
    return folder


def is_plain(folder: Path) -> bool:
    """Tells whether a folder holds a checkpoint or a PEFT adapter that is no run of ftkit."""
    files = ("config.json", "adapter_config.json")
    return not (folder / CONFIG_FILE).is_file() and any((folder / name).is_file() for name in files)


def _finished_config(folder: Path, trust_remote_code: bool) -> RunConfig:
    config = load_config(folder / CONFIG_FILE)
    if config.run is None:
        raise UserError(f"{folder / CONFIG_FILE} lacks its `run` section, which ftkit writes when a run is finished.")
    model = config.model.model_copy(update={"trust_remote_code": trust_remote_code})
    return config.model_copy(update={"model": model})
