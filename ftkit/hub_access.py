"""What the Hub holds and lets a token do, found out by reading alone, before anything is written."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.config.push import PushSpec
from ftkit.errors import HubError, UserError, name_list
from ftkit.models.hub_errors import TOKEN_PAGE, hub_error
from ftkit.models.repository import Repository, check_repository_id, hub_api
from ftkit.shared_run import Content, size

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile


@dataclass(frozen=True)
class Access:
    """A repository that the token may write to.

    Attributes:
        user: whose token it is.
        exists: False: it will be made.
        private: whether it is, or will be, private.
        files: of the revision that is written to, by name.
        head: its commit; None of a repository that does not exist.
    """

    repository: Repository
    user: str
    exists: bool
    private: bool
    files: Mapping[str, RepoFile]
    head: str | None


def check_access(spec: PushSpec) -> Access:
    """Finds out whether a push will be possible, without writing: name, token, permission, revision.

    Raises:
        UserError: the id cannot be one.
        HubError: no token, no permission, no such revision, a public repository where a private one was asked for.
    """
    check_repository_id(spec.repo_id)
    api = hub_api()
    with hub_errors(f"{spec.repo_id} cannot be pushed to", spec):
        user = _who(api)
        repo_id = spec.repo_id if "/" in spec.repo_id else f"{user['name']}/{spec.repo_id}"
        repository = Repository(repo_id, spec.revision)
        _check_owner(user, repository)
        info = _info(api, repository.id)
        if info is None:
            _check_can_be_made(api, user, repository)
            return Access(repository, user["name"], exists=False, private=spec.private, files={}, head=None)
        api.auth_check(repository.id, write=True)
        if spec.private and info.private is False:
            raise HubError(
                f"{repository.id} exists and is public, and it was to be private. Nothing was uploaded. Make it "
                f"private (hf repos settings {repository.id} --private), or choose another name."
            )
        at = api.model_info(repository.id, revision=spec.revision) if spec.revision else info
        files = files_at(api, repository.id, at.sha)
        return Access(repository, user["name"], exists=True, private=bool(info.private), files=files, head=at.sha)


def files_at(api: HfApi, repo_id: str, commit: str | None) -> dict[str, RepoFile]:
    """Returns the files of a repository at a commit by name, with their sizes and hashes."""
    from huggingface_hub.hf_api import RepoFile

    entries = api.list_repo_tree(repo_id, recursive=True, revision=commit)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def read_file(access: Access, name: str) -> bytes | None:
    """Returns a file as it lies in the repository; None if it is not there.

    Raises:
        HubError: it cannot be fetched.
    """
    if name not in access.files:
        return None
    from huggingface_hub import hf_hub_download

    repository = access.repository
    with hub_errors(f"{name} of {repository} cannot be read", PushSpec(repo_id=repository.id)):
        return Path(hf_hub_download(repository.id, name, revision=access.head, library_name="ftkit")).read_bytes()


def is_same(content: Content, theirs: RepoFile) -> bool:
    """Tells whether a file here is the one that a repository holds, by size and hash."""
    if theirs.size != size(content):
        return False
    if theirs.lfs is not None:
        return theirs.lfs.sha256 == _digest(content, hashlib.sha256())
    return theirs.blob_id == _digest(content, hashlib.sha1(f"blob {size(content)}\0".encode()))  # as git does


@contextlib.contextmanager
def hub_errors(what: str, spec: PushSpec) -> Iterator[None]:
    """Turns what goes wrong on the way to the Hub into one message."""
    try:
        yield
    except (UserError, HubError):
        raise
    except Exception as error:  # huggingface_hub and httpx2 each raise kinds of their own
        name = spec.repo_id if spec.revision is None else f"{spec.repo_id}@{spec.revision}"
        raise hub_error(error, what, repository=name) from None


def _who(api: HfApi) -> dict[str, Any]:
    """Returns whose token it is, as the Hub tells it."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise HubError(f"There is no token to push with. Log in (hf auth login), or set HF_TOKEN: {TOKEN_PAGE}")
    return api.whoami()


def _check_owner(user: Mapping[str, Any], repository: Repository) -> None:
    """Refuses an owner that is neither the user nor a team of the user's, and a token that only reads."""
    owner = repository.id.partition("/")[0]
    teams = {org["name"]: org.get("roleInOrg") for org in user.get("orgs") or [] if "name" in org}
    token = (user.get("auth") or {}).get("accessToken") or {}
    if owner != user["name"] and owner not in teams:
        may = name_list([user["name"], *teams])
        raise HubError(f"The token is {user['name']}'s and may not write to {owner!r}. It may write to {may}.")
    if token.get("role") == "read" or teams.get(owner) == "read":
        raise HubError(
            f"The token of {user['name']} may only read {owner!r}. Take one with the role 'write': {TOKEN_PAGE}"
        )


def _check_can_be_made(api: HfApi, user: Mapping[str, Any], repository: Repository) -> None:
    """Refuses to make a repository where that cannot be what is meant."""
    owner = repository.id.partition("/")[0]
    if repository.revision is not None and repository.revision != "main":
        raise HubError(
            f"{repository.id} does not exist yet, so it has no revision {repository.revision!r}. Push without "
            "--revision, which makes the repository."
        )
    for kind in ("dataset", "space"):
        if api.repo_exists(repository.id, repo_type=kind):
            raise HubError(
                f"{repository.id} is a {kind}, and there is no model of that name. Choose another name; or, if both "
                f"are to have one name, make the model's repository first: hf repos create {repository.id}"
            )
    scoped = ((user.get("auth") or {}).get("accessToken") or {}).get("fineGrained") or {}
    grants = [grant for grant in scoped.get("scoped") or [] if (grant.get("entity") or {}).get("name") == owner]
    if scoped and not any("repo.write" in (grant.get("permissions") or ()) for grant in grants):
        raise HubError(
            f"The token of {user['name']} is fine-grained and may not make repositories of {owner!r}. Give it write "
            f"access to them: {TOKEN_PAGE}"
        )


def _info(api: HfApi, repo_id: str) -> Any:
    """Returns what the Hub knows of a repository; None if there is none."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return api.model_info(repo_id)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        return None


def _digest(content: Content, digest: Any) -> str:
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with content.open("rb") as file:
        while chunk := file.read(16 << 20):
            digest.update(chunk)
    return digest.hexdigest()
