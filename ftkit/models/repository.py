"""A repository on the Hub where a folder could stand: `owner/name` or `owner/name@revision`. It is only read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.console import console
from ftkit.errors import CheckpointError, UserError
from ftkit.models.hub_errors import hub_error

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What runs, checkpoints and trained adapters are made of. Pickled weights and Python files are not: opening a
# repository runs no code of it.
SAFE_FILES = (
    *("*.json", "*.yaml", "*.safetensors", "*.txt", "*.model", "*.tiktoken", "*.jinja", "README.md", "report.html"),
    *("predictions/*.jsonl", "model.onnx", "model.onnx.data"),
)
CODE_FILES = ("*.py",)
# Copies of the weights that training left, or in other forms.
OTHER_COPIES = ("checkpoint*/*", "*/checkpoint-*/*", "checkpoints/*", "runs/*", "onnx/*", "openvino/*", "original/*")

_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}[\w])?"
_REPOSITORY = re.compile(rf"(?P<id>(?:{_NAME}/)?{_NAME})(?:@(?P<revision>[^\s@:?*\[\\^~]+))?")


@dataclass(frozen=True)
class Repository:
    """A model repository on the Hub.

    Attributes:
        id: `owner/name`; of a few old ones only `name`.
        revision: branch, tag or commit; None is the main branch.
    """

    id: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.id if self.revision is None else f"{self.id}@{self.revision}"


def parse_repository(name: str | Path) -> Repository | None:
    """Returns the repository that a name means; None if it means a folder, or nothing that the Hub could have.

    A folder that exists wins, and so does one that could: `runs/x` is a path where `runs` is a folder here. With a
    revision, `runs/x@main`, it is a repository.

    Example: `me/tickets@v2` is the repository `me/tickets` at `v2`; `tickets`, `./me/tickets` and `a/b/c` are paths.
    """
    match = _REPOSITORY.fullmatch(str(name))
    if match is None or Path(name).expanduser().is_dir():
        return None
    id, revision = match["id"], match["revision"]
    if "--" in id or ".." in id or id.endswith(".git"):
        return None
    if revision is None and ("/" not in id or Path(id).parent.is_dir()):
        return None
    return Repository(id, revision)


def fetch(repository: Repository, *, with_code: bool = False) -> Path:
    """Returns a folder with the files of a repository, from the cache where they are there already or without network.

    Args:
        with_code: also the Python files; nothing of them runs here.

    Raises:
        UserError: there is no such repository or revision, or none that the token may see.
        HubError: the Hub cannot be reached or refuses, and the cache does not have it.
    """
    from huggingface_hub import snapshot_download

    allowed = [*SAFE_FILES, *(CODE_FILES if with_code else ())]
    try:
        with bars_on_terminals():
            folder = snapshot_download(
                repository.id,
                revision=repository.revision,
                allow_patterns=allowed,
                ignore_patterns=list(OTHER_COPIES),
                library_name="ftkit",
            )
    except Exception as error:  # huggingface_hub and httpx2 each raise kinds of their own
        raise hub_error(error, f"{repository} cannot be read", repository=str(repository), reading=True) from None
    if not (Path(folder) / "config.json").is_file() and not (Path(folder) / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{repository} is no model: it holds neither config.json nor adapter_config.json. Check the spelling."
        )
    return Path(folder)


def safe_names(folder: Path) -> list[str]:
    """Returns the names of the files in a fetched folder that are data and no code, in order."""
    from huggingface_hub.utils import filter_repo_objects

    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return list(filter_repo_objects(names, allow_patterns=list(SAFE_FILES), ignore_patterns=list(OTHER_COPIES)))


def file_names(repository: Repository) -> list[str] | None:
    """Returns the names of a repository's files; None where they cannot be had, as without network."""
    try:
        return hub_api().list_repo_files(repository.id, revision=repository.revision)
    except Exception:  # whoever needs the files tells why they are not there
        return None


def commit_of(repository: Repository) -> str | None:
    """Returns the commit that a revision stands for now; None where neither the Hub nor the cache can tell."""
    try:
        return hub_api().resolve_revision(repository.id, revision=repository.revision).resolved
    except Exception:  # whoever loads it tells why it cannot be had
        return None


def have_same_weights(one: Repository, other: Repository) -> bool:
    """Tells whether two revisions hold the same weights, by the hashes that the Hub tells; False if it does not."""
    try:
        first, second = (_weights(repository) for repository in (one, other))
    except Exception:  # without the Hub's word they count as different
        return False
    return bool(first) and first == second


def _weights(repository: Repository) -> dict[str, str]:
    """Returns the names and hashes of a checkpoint's weights."""
    from huggingface_hub.hf_api import RepoFile

    entries = hub_api().list_repo_tree(repository.id, revision=repository.revision)
    files = [entry for entry in entries if isinstance(entry, RepoFile) and entry.path.endswith(".safetensors")]
    weights = [file for file in files if file.path.startswith("model")]
    return {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in weights}


@contextlib.contextmanager
def bars_on_terminals() -> Iterator[None]:
    """Lets huggingface_hub draw its progress bars where somebody sees them, and not into log files."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if console().is_terminal or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def hub_api() -> HfApi:
    """Returns the client of the Hub, under ftkit's name."""
    from huggingface_hub import HfApi

    from ftkit.version import __version__

    return HfApi(library_name="ftkit", library_version=__version__)


def with_revision(checkpoint: str, revision: str | None) -> tuple[str, str | None]:
    """Returns id and revision of a checkpoint that may be written `owner/name@revision`.

    Raises:
        CheckpointError: a revision is given twice.
    """
    found = parse_repository(checkpoint)
    if found is None or found.revision is None:
        return checkpoint, revision
    if revision is not None and revision != found.revision:
        raise CheckpointError(
            f"model.checkpoint: {checkpoint!r} names the revision {found.revision!r}, model.revision {revision!r}. "
            "Say one."
        )
    return found.id, found.revision


def check_repository_id(repo_id: str) -> None:
    """Refuses what cannot be the id of a repository.

    Raises:
        UserError: saying what an id looks like.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise UserError(
            f"{repo_id!r} cannot be the id of a repository on the Hub. Write owner/name, of letters, digits, '-', '_' "
            "and '.', such as my-team/support-intents."
        ) from None
