"""What goes back and forth: users, requests, answers, and the failures that a test asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qs, urlsplit

from .repositories import HubError


@dataclass
class User:
    """Whose token it is.

    Attributes:
        name: the user's name, which is also a namespace.
        role: what the token allows: "read" or "write".
        orgs: organization -> the user's role in it: "read", "contributor", "write" or "admin".
    """

    name: str
    role: str = "write"
    orgs: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, namespace: str | None) -> bool:
        """Whether the user sees what is private in a namespace."""
        return namespace == self.name or namespace in self.orgs

    def owns(self, namespace: str | None) -> bool:
        """Whether the user, not this token, may write in a namespace."""
        return namespace == self.name or self.orgs.get(namespace or "") in ("write", "admin")


@dataclass(frozen=True)
class Request:
    """A request as it was received.

    Attributes:
        method: GET, POST ...
        path: with its query, still percent-encoded.
        headers: `headers["authorization"]` and `headers["Authorization"]` are the same; an absent one is None.
        body: what arrived of it, without any transfer encoding.
    """

    method: str
    path: str
    headers: Message
    body: bytes = field(repr=False)

    @property
    def query(self) -> dict[str, list[str]]:
        """The values of every key of the query."""
        return parse_qs(urlsplit(self.path).query)

    def json(self) -> dict[str, object]:
        """Returns the body as a JSON object.

        Raises:
            HubError: it is none.
        """
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise HubError(400, "The body is not a JSON object")
        return parsed

    def asks(self, name: str) -> bool:
        """Whether the query has a key that is neither empty, 0 nor false."""
        return self.query.get(name, ["false"])[0].lower() not in ("false", "0")


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Returns an answer in JSON."""
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


def error_answer(error: HubError) -> Answer:
    """Returns the answer to a request that is refused: the message is in a header and in the JSON, as on the Hub."""
    headers = {"X-Error-Message": " ".join(error.message.split()), **error.headers}
    if error.code:
        headers["X-Error-Code"] = error.code
    return json_answer({"error": error.message, **error.fields}, error.status, headers)


@dataclass
class Failure:
    """A failure that a test asked for; see `LocalHub.fail`."""

    method: str
    path: str
    answer: Answer | None
    times: int | None
    cut_after: int | None
    drop: bool
    late: bool

    def hits(self, method: str, path: str) -> bool:
        """Whether the failure still strikes and is meant for this request."""
        return self.times != 0 and self.method in ("*", method) and re.search(self.path, path) is not None
