"""Pushes a finished run to the Hub, and pulls one: the only module that writes to a network.

Everything that can be known is checked before anything is sent: name, token, permission, the base of an adapter,
tokens in files. One commit then holds all of it, so that a repository never shows half a run.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.config.push import PushSpec
from ftkit.config.run_config import BaseFacts, RunConfig
from ftkit.data.files import atomic_folder, free_folder
from ftkit.errors import ConfigError, UserError, name_list
from ftkit.hub_access import Access, check_access, files_at, hub_errors, is_same, read_file
from ftkit.json_file import read_json
from ftkit.machine_faults import check_room
from ftkit.models.repository import (
    Repository,
    bars_on_terminals,
    check_repository_id,
    commit_of,
    fetch,
    hub_api,
    parse_repository,
    safe_names,
)
from ftkit.report.shared import with_edits_of
from ftkit.runs.files import CARD_FILE, REPORT_FILE, RESULTS_FILE
from ftkit.runs.loading import check_saved_weights
from ftkit.runs.open_run import is_export, open_export, open_run
from ftkit.runs.trained_adapter import TrainedAdapter
from ftkit.shared_run import Content, SharedRun, is_ours, shared_run

if TYPE_CHECKING:
    from ftkit.models.spec import CheckpointSpec


@dataclass(frozen=True)
class Push:
    """What a push is about to do.

    Attributes:
        shared: what is uploaded, and what stays at home.
    """

    access: Access
    shared: SharedRun

    @cached_property
    def changed(self) -> dict[str, Content]:
        """Files that the repository does not hold as they are here."""
        theirs = self.access.files
        return {
            name: content
            for name, content in self.shared.files.items()
            if name not in theirs or not is_same(content, theirs[name])
        }

    @cached_property
    def removed(self) -> list[str]:
        """Files of an earlier push that this run does not have: weights of another model would be loaded with it."""
        return sorted(name for name in self.access.files if is_ours(name) and name not in self.shared.files)


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        repo_id: `owner/name`.
        url: its page.
        commit: the commit that holds the run.
        uploaded: names of the files that were sent.
        unchanged: names of those that were there already.
        removed: names of those that an earlier push had left.
    """

    repo_id: str
    url: str
    commit: str
    uploaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def push(
    run: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    with_predictions: bool = False,
    base: str | None = None,
    confirm: Callable[[Push], bool] | None = None,
) -> Pushed | None:
    """Uploads a finished run, or an exported model, in one commit.

    Args:
        run: its directory.
        repo_id: `owner/name`; a name alone is a repository of the token's owner. Made if it does not exist.
        private: make a new repository private.
        revision: a branch that exists there.
        message: of the commit; by default the run's score.
        with_predictions: also upload predictions, and the texts in report and card.
        base: of a trained adapter on a local base, the repository to which that base was pushed.
        confirm: is shown what will happen, and returns whether it may.

    Returns:
        What was done; None if it was not confirmed.

    Raises:
        UserError: it is not a finished run, its weights are not those that it saved, the id is none, or a file holds a
            token; nothing was uploaded.
        HubError: the Hub cannot be reached or refuses. The run is as it was; the same call again goes on.
    """
    spec = PushSpec(
        repo_id=repo_id,
        private=private,
        revision=revision,
        message=message,
        with_predictions=with_predictions,
        base=base,
    )
    if parse_repository(run) is not None:
        raise UserError(f"{run} is on the Hub already. To push a copy of it: ftkit pull {run} OUT, then push OUT.")
    folder, config = open_export(run) if is_export(run) else open_run(run)
    access = check_access(spec)
    found_base = _base_on_hub(folder, config, spec.base)
    name = access.repository.id
    shared = shared_run(folder, config, repo_id=name, with_predictions=with_predictions, base=found_base)
    check_saved_weights(folder, config)
    about = Push(access, _with_their_edits(shared, access))
    if confirm is not None and not confirm(about):
        return None
    commit = _upload(about, spec, message or _message(folder))
    return Pushed(
        repo_id=name,
        url=f"{hub_api().endpoint}/{name}",
        commit=commit,
        uploaded=tuple(about.changed),
        unchanged=tuple(file for file in shared.files if file not in about.changed),
        removed=tuple(about.removed),
    )


def pull(repo_id: str, out: str | Path, *, revision: str | None = None) -> Path:
    """Copies a repository into a folder: a run as it was pushed, or a checkpoint. Nothing of it runs.

    Args:
        repo_id: `owner/name`, or `owner/name@revision`.
        out: a folder that does not exist yet, or is empty.
        revision: branch, tag or commit; main by default.

    Returns:
        The folder.

    Raises:
        UserError: there is no such repository or revision, or the folder holds something.
        HubError: the Hub cannot be reached or refuses, and the cache does not have it.
    """
    target = free_folder(out)
    id, _, given = repo_id.partition("@")
    if given and revision is not None and given != revision:
        raise UserError(f"{repo_id} names the revision {given!r}, --revision {revision!r}. Say one.")
    check_repository_id(id)
    source = fetch(Repository(id, revision or given or None))
    names = safe_names(source)
    check_room(target.parent, sum((source / name).stat().st_size for name in names), f"a copy of {repo_id}")
    with atomic_folder(target) as staging:
        for name in names:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, staging / name)
    return target


def check_push(config: RunConfig, checkpoint: CheckpointSpec) -> None:
    """Checks before training that what a config wants to push can be pushed afterwards.

    Args:
        checkpoint: what is trained.

    Raises:
        ConfigError: a trained adapter on a base that others could not find.
        UserError, HubError: as `check_access`.
    """
    if config.push is None:
        return
    base = config.push.base
    if config.tuner.is_full and base is not None:
        raise ConfigError(
            "push.base: a run with tuner.method full saves a whole model, which needs no base. Leave it out."
        )
    local = Path(checkpoint.path)
    if not config.tuner.is_full and local.is_dir():
        if base is None:
            raise ConfigError(f"push: {_local_base(checkpoint.name)}")
        _check_same_weights(local, base)
    check_access(config.push)


# --- the base of an adapter ----------------------------------------------------------------------------------


def _base_on_hub(folder: Path, config: RunConfig, base: str | None) -> BaseFacts | None:
    """Returns the facts of a trained adapter's base on the Hub; None of a run that saved a whole model.

    Raises:
        UserError: its base lies in a folder that nobody else has, or `base` holds other weights.
    """
    facts = config.run.base if config.run is not None else None
    if facts is None:
        if base is not None:
            raise UserError(f"--base: {folder} holds a whole model, which needs no base. Leave it out.")
        return None
    assert config.run is not None
    if facts.fingerprint is None:
        if base is not None and base.partition("@")[0] != facts.path:
            raise UserError(
                f"--base: the adapter in {folder} was trained on {facts.path}, not on {base}. Leave it out."
            )
        return facts
    if base is None:
        raise UserError(f"{folder}: {_local_base(facts.path, folder)}")
    if config.model.decoder is not None:
        raise UserError(f"{folder}: its base is two joined checkpoints, which no repository holds. {_merge(folder)}")
    adapter = TrainedAdapter(folder, config, config.run, facts)
    if adapter.base_folders:
        commit = _check_same_weights(Path(adapter.base_spec().path), base)
    else:
        commit = _check_fingerprint(adapter, base)
    found = {"path": base.partition("@")[0], "commit": commit, "fingerprint": None, "from_run": None}
    return facts.model_copy(update=found)


def _check_fingerprint(adapter: TrainedAdapter, base: str) -> str:
    """Returns the commit of a base on the Hub that holds what an adapter was trained on, where the local copy is gone.

    Raises:
        UserError: it holds others.
    """
    repository = parse_repository(base) or Repository(base)
    check_repository_id(repository.id)
    commit = commit_of(repository)
    adapter.base_spec(fetch(Repository(repository.id, commit or repository.revision)))
    return commit or repository.revision or "main"


def _local_base(base: str, folder: Path | None = None) -> str:
    """Returns why an adapter on a local base is not pushed, and what can be done."""
    return (
        f"a trained adapter needs its base, and {base} is on this machine only. Push the base "
        f"(hf upload OWNER/BASE {base}) and say where: --base OWNER/BASE, in a config push.base. {_merge(folder)}"
    )


def _merge(folder: Path | None) -> str:
    run = "RUN" if folder is None else str(folder)
    return f"Or merge both and push the result: ftkit merge {run} OUT"


def _check_same_weights(local: Path, base: str) -> str:
    """Returns the commit of a base on the Hub that holds the very weights of the local one.

    Raises:
        UserError: it holds others.
    """
    repository = parse_repository(base) or Repository(base)
    check_repository_id(repository.id)
    api = hub_api()
    with hub_errors(f"--base {base} cannot be read", PushSpec(repo_id=repository.id, revision=repository.revision)):
        info = api.model_info(repository.id, revision=repository.revision)
        theirs = files_at(api, repository.id, info.sha)
    weights = sorted(local.glob("model*.safetensors"))
    different = [file.name for file in weights if file.name not in theirs or not is_same(file, theirs[file.name])]
    if different or not weights:
        raise UserError(
            f"--base: {base} is not the base of this adapter: {name_list(different)} differ from those in {local}. "
            f"Push that folder: hf upload {repository.id} {local}"
        )
    return str(info.sha)


def _with_their_edits(shared: SharedRun, access: Access) -> SharedRun:
    """Returns what is uploaded with a card that keeps what people wrote into the repository's."""
    card, theirs = shared.files.get(CARD_FILE), read_file(access, CARD_FILE)
    if not isinstance(card, bytes) or theirs is None:
        return shared
    their_report = read_file(access, REPORT_FILE) or b""
    text = with_edits_of(card.decode(), theirs=theirs.decode("utf-8", "replace"), their_report=their_report)
    return dataclasses.replace(shared, files={**shared.files, CARD_FILE: text.encode()})


# --- upload --------------------------------------------------------------------------------------------------


def _upload(about: Push, spec: PushSpec, message: str) -> str:
    """Makes the repository if need be and commits what has changed; returns the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    access, api = about.access, hub_api()
    repository = access.repository
    with hub_errors(f"{repository} was not written", spec.model_copy(update={"repo_id": repository.id})):
        if not access.exists:
            api.create_repo(repository.id, private=spec.private, exist_ok=True)
        elif not about.changed and not about.removed:
            assert access.head is not None
            return access.head
        added = [CommitOperationAdd(name, _payload(content)) for name, content in about.changed.items()]
        deleted = [CommitOperationDelete(name) for name in about.removed]
        with bars_on_terminals():
            done = api.create_commit(
                repository.id,
                [*added, *deleted],
                commit_message=message,
                revision=repository.revision,
                parent_commit=access.head,
            )
    return str(done.oid)


def _payload(content: Content) -> str | bytes:
    return content if isinstance(content, bytes) else str(content)


def _message(folder: Path) -> str:
    """Returns the first line of the commit: the run's name and its first score on test, else validation."""
    from ftkit.version import __version__

    title = f"{folder.absolute().name}, by ftkit {__version__}"
    try:
        results = read_json(folder / RESULTS_FILE)
    except (OSError, ValueError):
        return title
    for prefix in ("test", "eval"):
        for name in ("accuracy", "f1", "bleu", "spearman", "loss"):
            if isinstance(results.get(f"{prefix}_{name}"), float):
                return f"{title}: {name} {results[f'{prefix}_{name}']:.4f} on {prefix.replace('eval', 'validation')}"
    return title
