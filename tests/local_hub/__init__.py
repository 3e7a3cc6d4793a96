"""A local server that speaks the Hugging Face Hub's HTTP API, for tests and for trying ftkit without an account.

The real client (`huggingface_hub`, and with it transformers, peft and datasets) talks to it when it finds the
server's address in HF_ENDPOINT. Everything is in memory. `python tests/local_hub` runs it in the foreground.

    with LocalHub() as hub:
        hub.add_repo("me/tiny", {"config.json": b"{}"})
        subprocess.run([...], env=os.environ | hub.environment | {"HF_TOKEN": "hf_local_writer", "HF_HOME": ...})
        assert hub.files("me/tiny")["config.json"] == b"{}"
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

from . import reading, writing
from .calls import Content, answer
from .connection import Server
from .exchange import Answer, Failure, Request, User, error_answer, json_answer
from .repositories import Commit, HubError, Repository, stored

__all__ = ["TOKENS", "Answer", "Commit", "HubError", "LocalHub", "Repository", "Request", "User"]

TOKENS: Mapping[str, User] = {
    "hf_local_writer": User("me"),
    "hf_local_reader": User("reader", "read"),
}
"""The tokens of a Hub that is given no others."""


class LocalHub:
    """A Hub that lives as long as the `with` block, with its content from before if it is entered again.

    Attributes:
        requests: everything received, in order, whatever became of it.
    """

    def __init__(
        self, *, tokens: Mapping[str, User] | None = None, port: int = 0, part_size: int | None = None
    ) -> None:
        """Makes an empty Hub.

        Args:
            tokens: token -> user.
            port: 0 for a free one, which the Hub keeps for as long as it lives.
            part_size: large files above so many bytes are sent in parts of that size, as the Hub wants it above
                5 GB. None: always whole.
        """
        self.requests: list[Request] = []
        self._port = port
        self._content = Content("", dict(TOKENS if tokens is None else tokens), part_size)
        self._failures: list[Failure] = []
        self._lock = threading.RLock()
        self._server: Server | None = None

    def __enter__(self) -> LocalHub:
        self._server = Server(self, self._port)
        self._port = self._server.server_address[1]
        self._content.endpoint = self.endpoint
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def endpoint(self) -> str:
        """The address, such as http://127.0.0.1:8777.

        Raises:
            RuntimeError: the Hub was never started, and has no port yet.
        """
        if not self._port:
            raise RuntimeError("The Hub has no address before it is started: use `with LocalHub() as hub:`.")
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client's process needs in its environment, apart from HF_TOKEN and HF_HOME."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_XET": "1",  # xet is a protocol and a store of its own
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    @contextmanager
    def in_this_process(self, *, token: str | None = None, cache: Path | None = None) -> Iterator[None]:
        """Points the `huggingface_hub` of this process, imported already or not, to this Hub.

        Args:
            token: what a call without a token finds; None: nothing, whoever is logged in here.
            cache: the folder of its cache.
        """
        from unittest import mock

        from huggingface_hub import constants, hf_api, utils

        changes: dict[str, Any] = {
            "ENDPOINT": self.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": self.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": False,
            "HF_HUB_DISABLE_TELEMETRY": True,
            "HF_TOKEN_PATH": str(Path(cache or ".") / "no-token"),
        }
        if cache is not None:
            changes["HF_HUB_CACHE"] = str(cache)
        found = {"HF_TOKEN": token or "", "HUGGING_FACE_HUB_TOKEN": "", "HF_OIDC_RESOURCE": ""}
        keeps_a_client = sys.modules.get("transformers.utils.hub")
        with (
            mock.patch.object(keeps_a_client, "_hf_api", None) if keeps_a_client else nullcontext(),
            mock.patch.multiple(constants, **changes),
            mock.patch.object(hf_api.api, "endpoint", self.endpoint),
            mock.patch.dict("os.environ", found),
        ):
            try:
                yield
            finally:
                utils.close_session()

    def add_repo(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        private: bool = False,
        gated: bool = False,
        repo_type: str = "model",
    ) -> str:
        """Makes a repository whose first commit holds just these files, and returns the commit's sha."""
        with self._lock:
            repository = Repository(repo_id, repo_type, private=private, gated=gated)
            self._content.repositories[(repo_type, repo_id)] = repository
            content = {path: stored(path, content) for path, content in files.items()}
            return repository.commit("main", content, message="initial commit").sha

    def add_commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        message: str = "a change",
        revision: str = "main",
        repo_type: str = "model",
    ) -> str:
        """Adds or replaces files behind the client's back, and returns the commit's sha."""
        with self._lock:
            repository = self.repository(repo_id, repo_type)
            head = repository.branches[revision]
            changed = {path: stored(path, content) for path, content in files.items()}
            return repository.commit(revision, {**head.files, **changed}, message=message, parent=head).sha

    def repository(self, repo_id: str, repo_type: str = "model") -> Repository:
        """Returns a repository, whoever may see it.

        Raises:
            KeyError: there is none.
        """
        return self._content.repositories[(repo_type, repo_id)]

    def files(self, repo_id: str, revision: str = "main", *, repo_type: str = "model") -> dict[str, bytes]:
        """Returns all files at a branch, a tag or a commit. A repository that a client made has a .gitattributes."""
        files = self.repository(repo_id, repo_type).at(revision).files
        return {path: file.content for path, file in files.items()}

    def commits(self, repo_id: str, revision: str = "main", *, repo_type: str = "model") -> list[Commit]:
        """Returns the commits, newest first: each has a sha, a message, and the paths that it changed."""
        return self.repository(repo_id, repo_type).at(revision).history()

    @property
    def uploaded(self) -> list[str]:
        """sha256 of the large files and paths of the others whose bytes really arrived, in order."""
        return self._content.uploaded

    def fail(
        self,
        method: str,
        path: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        error_code: str | None = None,
        message: str | None = None,
        times: int | None = None,
        cut_after: int | None = None,
        drop: bool = False,
        late: bool = False,
    ) -> None:
        """Lets requests fail, until `recover` or `times` over. Of several that fit, the first asked for strikes.

        Args:
            method: GET, HEAD, POST, PUT ..., or * for all.
            path: a regular expression that is searched in the encoded path with its query. Large files are sent
                to /lfs/SHA256/KEY.
            status: the answer's status.
            headers: further headers of the answer, such as Retry-After.
            body: the answer's body; the JSON of an error if None.
            error_code: the answer's X-Error-Code.
            message: the answer's X-Error-Message.
            times: how many requests fail; None: all.
            cut_after: so many bytes of the request's body are read, or of the answer sent where the request has
                no body; then the connection closes.
            drop: the connection closes without an answer.
            late: the Hub does what is asked for first, so that only the answer is lost.
        """
        if [status is not None, cut_after is not None, drop].count(True) != 1:
            raise ValueError("A failure is just one of status, cut_after and drop.")
        if late and cut_after is not None:
            raise ValueError("late goes with status or drop: nothing is done for a request that is cut.")
        reply = None
        if status is not None:
            reply = error_answer(HubError(status, message or "A failure that was asked for", error_code, headers))
            reply.body = reply.body if body is None else body
        failure = Failure(method.upper(), path, reply, times, cut_after, drop, late)
        with self._lock:
            self._failures.append(failure)

    def recover(self) -> None:
        """Ends all failures."""
        with self._lock:
            self._failures.clear()

    def take_failure(self, method: str, path: str) -> Failure | None:
        """Returns the failure that strikes a request, and counts it."""
        with self._lock:
            for failure in self._failures:
                if failure.hits(method, path):
                    failure.times = None if failure.times is None else failure.times - 1
                    return failure
        return None

    def receive(self, request: Request) -> None:
        """Notes a request."""
        with self._lock:
            self.requests.append(request)

    def answer(self, request: Request) -> Answer:
        """Does what a request asks for. An error in this server is shown, and answered with 500."""
        with self._lock:
            try:
                return answer([*reading.ROUTES, *writing.ROUTES], self._content, request)
            except HubError as error:
                return error_answer(error)
            except Exception:
                traceback.print_exc()
                return json_answer({"error": traceback.format_exc()}, 500)
