"""A request on its way to an endpoint: who asks, for which repository, and may they."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from .exchange import Answer, Request, User
from .repositories import Commit, HubError, Repository

REPO_TYPES = ("model", "dataset", "space")
API = r"/api/(?P<types>models|datasets|spaces)/(?P<repo_id>(?:[^/]+/)?[^/]+)"
"""The path of a repository in the API."""
PAGE = r"/(?:(?P<types>datasets|spaces)/)?(?P<repo_id>(?:[^/]+/)?[^/]+)"
"""The path of a repository's page, which its files and git lie under."""


@dataclass(frozen=True)
class Grant:
    """Leave to send one large file to the store, as a signed URL gives it: whoever has the URL needs no token.

    Attributes:
        repository: whose store.
        oid: the file's sha256.
        size: its bytes.
        parts: what has arrived of a file that is sent in parts, by number from 1.
    """

    repository: Repository
    oid: str
    size: int
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Content:
    """Everything that a local Hub holds.

    Attributes:
        endpoint: its address.
        tokens: token -> user.
        part_size: a large file above so many bytes is sent in parts of that size; None: never.
        repositories: by type and id: a model and a dataset of one id are two repositories.
        grants: leave to send large files, by the random key in their URLs.
        uploaded: sha256 of large files and paths of others whose bytes arrived, in order.
    """

    endpoint: str
    tokens: Mapping[str, User]
    part_size: int | None = None
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)

    def user(self, request: Request) -> User | None:
        """Returns whose token a request carries, None without one.

        Raises:
            HubError: nobody's.
        """
        scheme, _, token = (request.headers["authorization"] or "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or token not in self.tokens:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.tokens[token]


@dataclass
class Call:
    """A request and the parts of its path.

    Attributes:
        content: what the Hub holds.
        request: the request.
        user: who asks, None without a token.
        parts: the named groups of the route, decoded; absent ones are left out.
    """

    content: Content
    request: Request
    user: User | None
    parts: Mapping[str, str]

    @property
    def revision(self) -> str:
        return self.parts.get("revision", "main")

    @property
    def repo_type(self) -> str:
        return self.parts.get("types", "models").removesuffix("s")

    def repository(self) -> Repository:
        """Returns the repository of the path.

        Raises:
            HubError: there is none, or the user must not know of it. Without a token the Hub answers 401 to both.
        """
        repository = self.content.repositories.get((self.repo_type, self.parts["repo_id"]))
        hidden = repository and repository.private and not (self.user and self.user.is_of(repository.owner))
        if repository is None or hidden:
            if self.user is None:
                raise HubError(401, "Invalid username or password.", "RepoNotFound")
            raise HubError(404, "Repository not found", "RepoNotFound")
        return repository

    def commit(self) -> Commit:
        """Returns the commit of the path's revision."""
        return self.repository().at(self.revision)

    def downloads(self) -> Repository:
        """Returns the repository, if the user may have its files.

        Raises:
            HubError: the repository is gated, and not for this user.
        """
        repository = self.repository()
        if repository.gated and not (self.user and self.user.is_of(repository.owner)):
            need = (
                "you must have been granted access, and you are not in the authorized list"
                if self.user
                else "you must be authenticated to access it. Please log in"
            )
            message = f"Access to {repository.repo_type} {repository.repo_id} is restricted: {need}."
            raise HubError(403 if self.user else 401, message, "GatedRepo")
        return repository

    def proposes(self) -> Repository:
        """Returns the repository, if the user may open a pull request with this token.

        Raises:
            HubError: the user may not.
        """
        repository = self.repository()
        if self.user is None:
            raise HubError(401, "Invalid username or password.")
        if self.user.role != "write":
            raise HubError(403, "Forbidden: you must use a write token to upload to a repository.")
        return repository

    def writes(self) -> Repository:
        """Returns the repository, if the user may write to its branches with this token.

        Raises:
            HubError: the user may not.
        """
        repository = self.proposes()
        if not (self.user and self.user.owns(repository.owner)):
            raise HubError(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return repository

    def uploads(self) -> Repository:
        """Returns the repository, if the user may do what the query says: write to a branch or propose a change."""
        return self.proposes() if self.request.asks("create_pr") else self.writes()


Endpoint = Callable[[Call], Answer]
Route = tuple[str, "re.Pattern[str]", Endpoint]


def route(method: str, path: str, endpoint: Endpoint) -> Route:
    """Returns a route; `path` is a regular expression for the whole encoded path without its query."""
    return method, re.compile(path), endpoint


def answer(routes: list[Route], content: Content, request: Request) -> Answer:
    """Returns what the first fitting route answers.

    Raises:
        HubError: the request is refused.
    """
    path = urlsplit(request.path).path
    method = "GET" if request.method == "HEAD" else request.method
    for routed, pattern, endpoint in routes:
        match = pattern.fullmatch(path) if routed == method else None
        if match:
            parts = {name: unquote(part) for name, part in match.groupdict().items() if part is not None}
            return endpoint(Call(content, request, content.user(request), parts))
    raise HubError(404, "Sorry, we can't find the page you are looking for.")
