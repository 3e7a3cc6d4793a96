"""The endpoints that change nothing: who am I, what is in a repository, the bytes of a file."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from urllib.parse import parse_qs

from .calls import API, PAGE, Call, Route, route
from .cards import card_metadata, check_card
from .exchange import Answer, json_answer
from .repositories import Commit, HubError, StoredFile


def whoami(call: Call) -> Answer:
    if call.user is None:
        raise HubError(401, "Invalid username or password.")
    orgs = [
        {"type": "org", "id": _id(name), "name": name, "fullname": name, "roleInOrg": role, "isEnterprise": False}
        for name, role in call.user.orgs.items()
    ]
    token = {"displayName": "local", "role": call.user.role, "createdAt": "2026-01-01T00:00:00.000Z"}
    return json_answer(
        {
            "type": "user",
            "id": _id(call.user.name),
            "name": call.user.name,
            "fullname": call.user.name,
            "email": f"{call.user.name}@example.org",
            "emailVerified": True,
            "isPro": False,
            "canPay": False,
            "orgs": orgs,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def validate_yaml(call: Call) -> Answer:
    content = call.request.json().get("content")
    errors, warnings = check_card(content if isinstance(content, str) else "")
    found = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    return json_answer(found, 400 if errors else 200)


def info(call: Call) -> Answer:
    repository, commit = call.repository(), call.commit()
    content: dict[str, object] = {
        "_id": _id(repository.path),
        "id": repository.repo_id,
        "author": repository.owner,
        "sha": commit.sha,
        "lastModified": _time(commit.date),
        "createdAt": _time(repository.created),
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "siblings": [_sibling(path, file, call.request.asks("blobs")) for path, file in commit.files.items()],
        **card_metadata(repository.repo_type, commit.files.get("README.md")),
    }
    if repository.repo_type == "model":
        content["modelId"] = repository.repo_id
    return json_answer(content)


def _sibling(path: str, file: StoredFile, details: bool) -> dict[str, object]:
    sibling: dict[str, object] = {"rfilename": path}
    if details:
        sibling |= {"size": file.size, "blobId": file.blob_id}
        if file.lfs:
            sibling["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return sibling


def tree(call: Call) -> Answer:
    commit, folder = call.commit(), call.parts.get("path", "").strip("/")
    below = f"{folder}/" if folder else ""
    found = {path: file for path, file in commit.files.items() if path.startswith(below)}
    if folder and not found:
        raise HubError(404, f'{folder} does not exist on "{call.revision}"', "EntryNotFound")
    recursive, expand = call.request.asks("recursive"), call.request.asks("expand")
    folders = {
        path[: slash.start()]
        for path in found
        for slash in re.finditer("/", path)
        if slash.start() > len(below) and (recursive or "/" not in path[len(below) : slash.start()])
    }
    entries = [_folder_entry(commit, path, expand) for path in sorted(folders)]
    entries += [
        _file_entry(commit, path, expand) for path in found if recursive or "/" not in path.removeprefix(below)
    ]
    return json_answer(entries)


def paths_info(call: Call) -> Answer:
    commit, form = call.commit(), _form(call)
    expand = form.get("expand", ["false"])[0].lower() == "true"
    entries = []
    for path in form.get("paths", []):
        if path in commit.files:
            entries.append(_file_entry(commit, path, expand))
        elif any(other.startswith(f"{path}/") for other in commit.files):
            entries.append(_folder_entry(commit, path, expand))
    return json_answer(entries)


def _form(call: Call) -> dict[str, list[str]]:
    """The body, which is a form or JSON."""
    if "json" not in (call.request.headers["content-type"] or ""):
        return parse_qs(call.request.body.decode())
    sent = call.request.json()
    paths = sent.get("paths")
    return {
        "paths": [str(path) for path in paths] if isinstance(paths, list) else [],
        "expand": [str(sent.get("expand", False))],
    }


def _file_entry(commit: Commit, path: str, expand: bool) -> dict[str, object]:
    file = commit.files[path]
    entry: dict[str, object] = {"type": "file", "oid": file.blob_id, "size": file.size, "path": path}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return entry | (_last_commit(commit, path) if expand else {})


def _folder_entry(commit: Commit, path: str, expand: bool) -> dict[str, object]:
    inside = sorted(f"{other} {file.oid}" for other, file in commit.files.items() if other.startswith(f"{path}/"))
    oid = hashlib.sha1("\n".join(inside).encode()).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path} | (_last_commit(commit, path) if expand else {})


def _last_commit(commit: Commit, path: str) -> dict[str, object]:
    last = commit.last_change(path)
    return {"lastCommit": {"id": last.sha, "title": last.message, "date": _time(last.date)}}


def refs(call: Call) -> Answer:
    repository = call.repository()

    def listed(commits: dict[str, Commit], prefix: str) -> list[dict[str, str]]:
        return [
            {"name": name, "ref": name if name.startswith("refs/") else prefix + name, "targetCommit": commit.sha}
            for name, commit in commits.items()
        ]

    branches = listed(repository.branches, "refs/heads/")
    requests = [ref for ref in branches if ref["name"].startswith("refs/pr/")]
    found = {
        "branches": [ref for ref in branches if ref not in requests],
        "converts": [],
        "tags": listed(repository.tags, "refs/tags/"),
    }
    return json_answer(found | ({"pullRequests": requests} if call.request.asks("include_prs") else {}))


def commits(call: Call) -> Answer:
    return json_answer(
        [
            {
                "id": commit.sha,
                "title": commit.message,
                "message": commit.description,
                "authors": [{"user": commit.author}],
                "date": _time(commit.date),
            }
            for commit in call.commit().history()
        ]
    )


def auth_check(call: Call) -> Answer:
    call.writes() if "write" in call.parts else call.downloads()
    return json_answer({})


def resolve(call: Call) -> Answer:
    """The bytes of a file, or a range of them. A large file says its sha256, any other its blob id."""
    commit = call.downloads().at(call.revision)
    if call.parts["path"] not in commit.files:
        raise HubError(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit.sha})
    file = commit.files[call.parts["path"]]
    headers = {
        "X-Repo-Commit": commit.sha,
        "ETag": f'"{file.oid}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"inline; filename*=UTF-8''{call.request.path.split('?')[0].rpartition('/')[2]}",
    }
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    wanted = _range(call.request.headers["range"], file.size, headers)
    if wanted is None:
        return Answer(200, file.content, headers)
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{file.size}"
    return Answer(206, file.content[wanted.start : wanted.stop], headers)


def _range(header: str | None, size: int, headers: dict[str, str]) -> range | None:
    """Reads `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`.

    Raises:
        HubError: it begins after the end of the file.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    stop = min(int(last) + 1, size) if first and last else size
    if start >= stop:
        raise HubError(416, "Range Not Satisfiable", None, headers | {"Content-Range": f"bytes */{size}"})
    return range(start, stop)


def _id(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()[:24]


def _time(date: datetime) -> str:
    return date.strftime("%Y-%m-%dT%H:%M:%S.") + f"{date.microsecond // 1000:03d}Z"


ROUTES: list[Route] = [
    route("GET", "/api/whoami-v2", whoami),
    route("POST", "/api/validate-yaml", validate_yaml),
    route("GET", f"{API}/revision/(?P<revision>[^/]+)", info),
    route("GET", f"{API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?", tree),
    route("POST", f"{API}/paths-info/(?P<revision>[^/]+)", paths_info),
    route("GET", f"{API}/refs", refs),
    route("GET", f"{API}/commits/(?P<revision>[^/]+)", commits),
    route("GET", f"{API}/auth-check(?:/(?P<write>write))?", auth_check),
    route("GET", API, info),
    route("GET", f"{PAGE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
]
