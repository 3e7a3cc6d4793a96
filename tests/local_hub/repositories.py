"""The repositories of a local Hub: files, commits, branches and the store of large files, all in memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property

_serial = itertools.count()


class HubError(Exception):
    """What the Hub answers when it refuses a request.

    Attributes:
        status: the HTTP status.
        message: the text of the answer, for people.
        code: the value of `X-Error-Code`, which decides on the client's exception.
        headers: further headers of the answer.
        fields: further keys of the answer's JSON.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers, self.fields = dict(headers or {}), dict(fields or {})


@dataclass(frozen=True)
class StoredFile:
    """One version of a file.

    Attributes:
        content: its bytes.
        lfs: git holds a pointer, and the bytes lie in the store of large files.
    """

    content: bytes
    lfs: bool

    @property
    def size(self) -> int:
        return len(self.content)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """The text that git holds instead of a large file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    @cached_property
    def blob_id(self) -> str:
        """The id that `git hash-object` gives to what git holds."""
        held = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    @property
    def oid(self) -> str:
        """What the client compares with its own file: sha256 of a large file, git's blob id of any other."""
        return self.sha256 if self.lfs else self.blob_id


@dataclass(frozen=True)
class Commit:
    """A state of all files.

    Attributes:
        sha: 40 hex digits.
        message: the first line; `description` is the rest.
        author: a user's name.
        date: when it was made.
        files: all files after it, by path.
        paths: the paths that it changed, sorted.
        parent: the commit before it, None for the first.
    """

    sha: str
    message: str
    description: str
    author: str
    date: datetime
    files: Mapping[str, StoredFile]
    paths: tuple[str, ...]
    parent: Commit | None = field(repr=False)

    def history(self) -> list[Commit]:
        """This commit and all before it, newest first."""
        commits: list[Commit] = []
        commit: Commit | None = self
        while commit is not None:
            commits.append(commit)
            commit = commit.parent
        return commits

    def last_change(self, path: str) -> Commit:
        """Returns the newest commit that changed a file, or anything in a folder."""
        return next(
            (
                commit
                for commit in self.history()
                if any(changed == path or changed.startswith(f"{path}/") for changed in commit.paths)
            ),
            self,
        )


@dataclass
class Repository:
    """A repository of a local Hub.

    Attributes:
        repo_id: `owner/name`, or a name alone.
        repo_type: "model", "dataset" or "space".
        private: only its owner and members of its organization see it.
        gated: everybody sees it; only those who may write download from it.
        branches: name -> newest commit. A pull request is the branch `refs/pr/N`.
        tags: name -> commit.
        commits: all commits by sha.
        objects: the store of large files: sha256 -> bytes. It keeps what was uploaded but never committed.
    """

    repo_id: str
    repo_type: str = "model"
    private: bool = False
    gated: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def owner(self) -> str | None:
        """The namespace: a user or an organization."""
        return self.repo_id.partition("/")[0] if "/" in self.repo_id else None

    @property
    def path(self) -> str:
        """The path of its page: datasets and spaces have a prefix, models none."""
        return self.repo_id if self.repo_type == "model" else f"{self.repo_type}s/{self.repo_id}"

    def at(self, revision: str) -> Commit:
        """Returns the commit of a branch, a tag or a full sha.

        Raises:
            HubError: there is none of that name.
        """
        for commits in (self.branches, self.tags, self.commits):
            if revision in commits:
                return commits[revision]
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def commit(
        self,
        branch: str,
        files: Mapping[str, StoredFile],
        *,
        message: str,
        description: str = "",
        author: str = "hub",
        parent: Commit | None = None,
    ) -> Commit:
        """Makes a commit that holds `files` and nothing else, and moves the branch to it."""
        before = parent.files if parent else {}
        paths = [path for path in files.keys() | before.keys() if _oid(files, path) != _oid(before, path)]
        text = f"{next(_serial)} {self.repo_type} {self.repo_id} {message}"
        commit = Commit(
            sha=hashlib.sha1(text.encode()).hexdigest(),
            message=message,
            description=description,
            author=author,
            date=datetime.now(timezone.utc),
            files=dict(sorted(files.items())),
            paths=tuple(sorted(paths)),
            parent=parent,
        )
        self.commits[commit.sha] = commit
        self.branches[branch] = commit
        self.objects.update({file.sha256: file.content for file in files.values() if file.lfs})
        return commit


def _oid(files: Mapping[str, StoredFile], path: str) -> str | None:
    return files[path].oid if path in files else None


def is_text(sample: bytes) -> bool:
    """Whether the beginning of a file looks like UTF-8 text; a character cut in two at its end is no fault."""
    if b"\0" in sample:
        return False
    for end in range(len(sample), max(len(sample) - 4, -1), -1):
        try:
            sample[:end].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


LARGE = 10 * 1024 * 1024
"""From so many bytes on, a text file too goes to the store of large files."""

LFS_SUFFIXES = (
    *(".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".gz", ".h5", ".joblib", ".model", ".msgpack", ".npy", ".npz"),
    *(".onnx", ".ot", ".parquet", ".pb", ".pickle", ".pkl", ".pt", ".pth", ".rar", ".safetensors", ".tar", ".tflite"),
    *(".tgz", ".wasm", ".xz", ".zip", ".zst"),
)
"""Files that go to the store of large files however small they are."""

GITATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub wants a file in the store of large files; an empty file never goes there."""
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size >= LARGE or not is_text(sample))


def stored(path: str, content: bytes) -> StoredFile:
    """Returns a file as the Hub would store it after an upload."""
    return StoredFile(content, goes_to_lfs(path, len(content), content[:512]))
