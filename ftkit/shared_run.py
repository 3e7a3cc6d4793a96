"""A run as it is shared: which of its files are uploaded and in which form, and that none of them holds a token."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ftkit.config.files import CONFIG_FILE
from ftkit.config.run_config import BaseFacts, RunConfig
from ftkit.data.files import json_safe
from ftkit.errors import UserError
from ftkit.json_file import read_json_object
from ftkit.models.files import ADAPTER_CONFIG, MODEL_FILES
from ftkit.report.config_text import shareable_results, shareable_yaml
from ftkit.report.saved import read_report
from ftkit.report.shared import shared_files
from ftkit.runs.files import EXPORT_FILE, KNOWN_FILES, PREDICTION_FILES, PREDICTIONS, REPORT_FILE, RESULTS_FILE

Content = Path | bytes
"""A file as it lies in the run, or what is uploaded in its place."""

_TOKEN = re.compile(r"\b(?:hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}|ghp_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{32,})")
_SECRET_NAME = re.compile(r"(TOKEN|API_?KEY|ACCESS_KEY|SECRET|PASSWORD)$", re.IGNORECASE)
_SHORTEST_SECRET = 12  # characters; shorter values, such as `none`, are words as well


@dataclass(frozen=True)
class SharedRun:
    """What of a run is uploaded.

    Attributes:
        files: name in the repository -> content.
        at_home: name of a file or folder of the run that is not uploaded -> its size in bytes.
        with_predictions: whether predictions, and the texts in report and card, are among them.
        texts_are_public: whether report and card keep their texts anyway, as the data are public.
    """

    files: Mapping[str, Content]
    at_home: Mapping[str, int]
    with_predictions: bool
    texts_are_public: bool = False


def shared_run(
    folder: Path, config: RunConfig, *, repo_id: str, with_predictions: bool, base: BaseFacts | None
) -> SharedRun:
    """Puts together what of a run is uploaded. Nothing is written.

    Args:
        folder: a finished run, or an exported model.
        repo_id: where to: the card's code names it.
        with_predictions: also the users' texts: predictions, and those in report and card.
        base: of a trained adapter, its base on the Hub.

    Raises:
        UserError: a file holds a token, or the weights are missing.
    """
    shown = (*MODEL_FILES, EXPORT_FILE, *(PREDICTION_FILES if with_predictions else ()))
    files: dict[str, Content] = {name: folder / name for name in _names(folder) if _matches(name, shown)}
    if not any(name.endswith((".safetensors", ".onnx")) for name in files):
        raise UserError(
            f"{folder} holds no weights to upload: model.safetensors is missing, or a link, which is not followed. "
            "Copy the file itself into the run."
        )
    files[CONFIG_FILE] = shareable_yaml(_as_shared(config, base).to_yaml()).encode()
    if (folder / RESULTS_FILE).is_file():
        results = shareable_results(_read_json(folder / RESULTS_FILE))
        files[RESULTS_FILE] = _json(results)
    if base is not None:
        peft_config = {**_read_json(folder / ADAPTER_CONFIG), "base_model_name_or_path": base.path}
        files[ADAPTER_CONFIG] = _json({**peft_config, "revision": base.commit})
    texts_are_public = False
    if (folder / REPORT_FILE).is_file():
        texts_are_public = read_report(folder).texts_are_public
        base_model = None if base is None else base.path
        texts = shared_files(folder, repo_id=repo_id, with_texts=with_predictions, base_model=base_model)
        files |= {name: text.encode() for name, text in texts.items()}
    _check_no_token(files)
    return SharedRun(dict(sorted(files.items())), dict(_at_home(folder, files)), with_predictions, texts_are_public)


def size(content: Content) -> int:
    """Returns the size of a file to be uploaded, in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def is_ours(name: str) -> bool:
    """Tells whether a file of a repository is one that a push may have written."""
    return _matches(name, KNOWN_FILES)


def _as_shared(config: RunConfig, base: BaseFacts | None) -> RunConfig:
    """Returns a run's config without its own push, and with the base where others find it."""
    shared = config.model_copy(update={"push": None, "resume": None, "overwrite": False})
    if base is None or config.run is None:
        return shared
    model = config.model.model_copy(update={"checkpoint": base.path, "revision": base.commit})
    return shared.model_copy(update={"model": model, "run": config.run.model_copy(update={"base": base})})


def _names(folder: Path) -> Iterator[str]:
    """Yields the run's files by their path within it; a link could lead to any file of this machine and stays."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path.relative_to(folder).as_posix()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Tells whether a name fits one of the patterns; `*` stays within one folder."""
    return any(name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _at_home(folder: Path, files: Mapping[str, Content]) -> Iterator[tuple[str, int]]:
    """Yields what lies in the run's folder and is not uploaded: files, and folders as a whole."""
    for entry in sorted(folder.iterdir()):
        if entry.is_file() and entry.name not in files:
            yield entry.name, entry.stat().st_size
        elif entry.is_dir() and not any(name.startswith(f"{entry.name}/") for name in files):
            yield f"{entry.name}/", sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())


def _read_json(path: Path) -> dict[str, object]:
    try:
        return read_json_object(path)
    except (OSError, ValueError):
        raise UserError(f"{path} is damaged: it holds no JSON object. Copy the run directory again.") from None


def _json(value: Mapping[str, object]) -> bytes:
    return (json.dumps(json_safe(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


# --- tokens -------------------------------------------------------------------------------------------------


def _check_no_token(files: Mapping[str, Content]) -> None:
    """Refuses to share a token: of this machine's environment, or what looks like one.

    Raises:
        UserError: naming file and line, never the token.
    """
    secrets = {value: name for name, value in _secrets()}
    for name, content in files.items():
        if name.endswith((".safetensors", ".onnx", ".onnx.data")):
            continue  # numbers
        data = content if isinstance(content, bytes) else content.read_bytes()
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            found = next((secrets[value] for value in secrets if value in line), None)
            if found is not None or _TOKEN.search(line):
                what = f"the value of {found}" if found is not None else "what looks like an access token"
                raise UserError(
                    f"{name}, line {number} holds {what}. Nothing was uploaded. Take it out of the run's "
                    f"{'data' if name.startswith(PREDICTIONS) else name}, and revoke it if others have seen it."
                )


def _secrets() -> Iterator[tuple[str, str]]:
    """Yields name and value of what must never be shared: the Hub's token, and the environment's keys."""
    from huggingface_hub import get_token

    token = get_token()
    if token:
        yield "the Hub's token", token
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            yield name, value
