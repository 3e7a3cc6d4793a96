"""The endpoints that change something: repositories, branches, large files, commits."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from fnmatch import fnmatch
from typing import Any

from .calls import API, PAGE, REPO_TYPES, Call, Grant, Route, route
from .exchange import Answer, json_answer
from .repositories import GITATTRIBUTES, Commit, HubError, Repository, StoredFile, goes_to_lfs


def create(call: Call) -> Answer:
    """Makes a repository with its first commit, which holds .gitattributes."""
    if call.user is None:
        raise HubError(401, "Invalid username or password.")
    wanted = call.request.json()
    repo_type, owner = str(wanted.get("type") or "model"), str(wanted.get("organization") or call.user.name)
    if repo_type not in REPO_TYPES:
        raise HubError(400, f'"type" must be one of [{", ".join(REPO_TYPES)}]')
    if call.user.role != "write" or not call.user.owns(owner):
        raise HubError(403, f'You don\'t have the rights to create a {repo_type} under the namespace "{owner}"')
    private = wanted.get("visibility") == "private" or wanted.get("private") is True
    repository = Repository(f"{owner}/{wanted.get('name')}", repo_type, private=private)
    url = f"{call.content.endpoint}/{repository.path}"
    if (repo_type, repository.repo_id) in call.content.repositories:
        raise HubError(409, f"You already created this {repo_type} repo", fields={"url": url})
    call.content.repositories[(repo_type, repository.repo_id)] = repository
    attributes = {".gitattributes": StoredFile(GITATTRIBUTES.encode(), lfs=False)}
    repository.commit("main", attributes, message="initial commit", author=call.user.name)
    return json_answer({"url": url, "name": repository.repo_id, "id": repository.repo_id})


def settings(call: Call) -> Answer:
    """Changes who sees a repository, and who may download from it."""
    repository, wanted = call.writes(), call.request.json()
    if "visibility" in wanted or "private" in wanted:
        repository.private = wanted.get("visibility") == "private" or wanted.get("private") is True
    if "gated" in wanted:
        repository.gated = wanted["gated"] is not False
    return json_answer({"private": repository.private, "gated": "manual" if repository.gated else False})


def create_branch(call: Call) -> Answer:
    repository = call.writes()
    start = repository.at(str(call.request.json().get("startingPoint") or "main"))
    return _new_ref(repository.branches, call.revision, start)


def create_tag(call: Call) -> Answer:
    repository = call.writes()
    return _new_ref(repository.tags, str(call.request.json().get("tag")), repository.at(call.revision))


def _new_ref(refs: dict[str, Commit], name: str, commit: Commit) -> Answer:
    if name in refs:
        raise HubError(409, "Reference already exists")
    refs[name] = commit
    return json_answer({}, 201)


def preupload(call: Call) -> Answer:
    """Says of each file where it goes, and what is there already."""
    repository, sent = call.uploads(), call.request.json()
    there = repository.at(call.revision).files
    ignore = sent.get("gitIgnore")
    if ignore is None and ".gitignore" in there:
        ignore = there[".gitignore"].content.decode()
    answers = []
    for file in _objects(sent, "files"):
        path, sample = str(file.get("path")), base64.b64decode(str(file.get("sample", "")))
        lfs = goes_to_lfs(path, int(file.get("size", 0)), sample)
        answer = {
            "path": path,
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": _ignored(path, str(ignore or "")),
        }
        if path in there:
            answer["oid"] = there[path].oid
        answers.append(answer)
    return json_answer({"files": answers, "commitOid": repository.at(call.revision).sha})


def _ignored(path: str, patterns: str) -> bool:
    """Whether a .gitignore means a path: names, folders and wildcards, without exceptions by `!`."""
    folders = path.split("/")
    starts = ["/".join(folders[:count]) for count in range(1, len(folders) + 1)]
    for line in patterns.splitlines():
        pattern = line.strip().rstrip("/")
        if not pattern or pattern[0] in "#!":
            continue
        names = starts if "/" in pattern else folders
        if any(fnmatch(name, pattern.lstrip("/")) for name in names):
            return True
    return False


def lfs_batch(call: Call) -> Answer:
    """Says of each large file where to send it; without actions, it is in the store already."""
    sent, answers = call.request.json(), []
    repository = call.writes() if "ref" in sent else call.proposes()  # for a pull request, no branch is named
    for wanted in _objects(sent, "objects"):
        oid, size = str(wanted.get("oid")), int(wanted.get("size", 0))
        answer: dict[str, object] = {"oid": oid, "size": size}
        if oid not in repository.objects:
            answer |= {"authenticated": True, "actions": _actions(call, Grant(repository, oid, size))}
        answers.append(answer)
    return json_answer({"transfer": "basic", "objects": answers})


def _actions(call: Call, grant: Grant) -> dict[str, object]:
    key = secrets.token_hex(8)
    call.content.grants[key] = grant
    url = f"{call.content.endpoint}/lfs/{grant.oid}/{key}"
    verify = {"href": f"{call.content.endpoint}/{grant.repository.path}.git/info/lfs/verify"}
    part_size = call.content.part_size
    if not part_size or grant.size <= part_size:
        return {"upload": {"href": url}, "verify": verify}
    parts = {str(number + 1): f"{url}/{number + 1}" for number in range(-(-grant.size // part_size))}
    return {"upload": {"href": f"{url}/complete", "header": {"chunk_size": str(part_size), **parts}}, "verify": verify}


def _grant(call: Call) -> Grant:
    grant = call.content.grants.get(call.parts["key"])
    if grant is None or grant.oid != call.parts["oid"]:
        raise HubError(403, "The signature of this URL is not valid")
    return grant


def lfs_upload(call: Call) -> Answer:
    return _store(call, _grant(call), call.request.body)


def lfs_part(call: Call) -> Answer:
    _grant(call).parts[int(call.parts["part"])] = call.request.body
    return Answer(200, headers={"ETag": f'"{hashlib.md5(call.request.body).hexdigest()}"'})


def lfs_complete(call: Call) -> Answer:
    grant = _grant(call)
    return _store(call, grant, b"".join(grant.parts[number] for number in sorted(grant.parts)))


def _store(call: Call, grant: Grant, body: bytes) -> Answer:
    if len(body) != grant.size or hashlib.sha256(body).hexdigest() != grant.oid:
        raise HubError(400, f"{len(body)} bytes arrived, which are not the {grant.size} bytes of {grant.oid}")
    grant.repository.objects[grant.oid] = body
    call.content.uploaded.append(grant.oid)
    return Answer(200, headers={"ETag": f'"{grant.oid}"'})


def lfs_verify(call: Call) -> Answer:
    repository, sent = call.proposes(), call.request.json()
    held = repository.objects.get(str(sent.get("oid")))
    if held is None or len(held) != sent.get("size"):
        raise HubError(404, "The object is not in the store, or has another size")
    return json_answer({})


def commit(call: Call) -> Answer:
    """Makes a commit of lines of JSON: a header first, then one operation a line."""
    repository = call.uploads()
    lines = [json.loads(line) for line in call.request.body.splitlines() if line.strip()]
    header, operations = lines[0]["value"], lines[1:]
    if call.request.asks("create_pr"):
        parent = repository.at(header.get("parentCommit") or call.revision)
        number = 1 + sum(name.startswith("refs/pr/") for name in repository.branches)
        branch = f"refs/pr/{number}"
    else:
        parent, branch, number = _branch_head(repository, call.revision, header), call.revision, None
    made = repository.commit(
        branch,
        _applied(call, repository, parent, operations),
        message=header.get("summary", ""),
        description=header.get("description", ""),
        author=call.user.name if call.user else "",
        parent=parent,
    )
    page = f"{call.content.endpoint}/{repository.path}"
    done = {"success": True, "commitOid": made.sha, "commitUrl": f"{page}/commit/{made.sha}", "hookOutput": ""}
    return json_answer(done | ({"pullRequestUrl": f"{page}/discussions/{number}"} if number else {}))


def _branch_head(repository: Repository, branch: str, header: dict[str, Any]) -> Commit:
    if branch not in repository.branches:
        raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    head, expected = repository.branches[branch], header.get("parentCommit")
    if expected and not head.sha.startswith(expected):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    return head


def _applied(
    call: Call, repository: Repository, parent: Commit, operations: list[dict[str, Any]]
) -> dict[str, StoredFile]:
    files = dict(parent.files)
    for operation in operations:
        key, value = operation["key"], operation["value"]
        path = value["path"]
        if key == "file":
            files[path] = StoredFile(base64.b64decode(value["content"]), lfs=False)
            call.content.uploaded.append(path)
        elif key == "lfsFile":
            if value["oid"] not in repository.objects:
                raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = StoredFile(repository.objects[value["oid"]], lfs=True)
        elif key in ("deletedFile", "deletedFolder"):
            files = _without(files, path.rstrip("/"), folder=key == "deletedFolder")
        else:
            raise HubError(400, f"Unknown operation {key}")
    return files


def _without(files: dict[str, StoredFile], path: str, *, folder: bool) -> dict[str, StoredFile]:
    gone = {other for other in files if other.startswith(f"{path}/")} if folder else files.keys() & {path}
    if not gone:
        kind = "folder" if folder else "file"
        raise HubError(404, f"A {kind} with this name doesn't exist: {path}", "EntryNotFound")
    return {other: file for other, file in files.items() if other not in gone}


def _objects(sent: dict[str, object], key: str) -> list[dict[str, Any]]:
    listed = sent.get(key)
    if not isinstance(listed, list):
        raise HubError(400, f'"{key}" must be an array')
    return [item for item in listed if isinstance(item, dict)]


STORE = "/lfs/(?P<oid>[0-9a-f]{64})/(?P<key>[0-9a-f]+)"
ROUTES: list[Route] = [
    route("POST", "/api/repos/create", create),
    route("PUT", f"{API}/settings", settings),
    route("POST", f"{API}/branch/(?P<revision>[^/]+)", create_branch),
    route("POST", f"{API}/tag/(?P<revision>[^/]+)", create_tag),
    route("POST", f"{API}/preupload/(?P<revision>[^/]+)", preupload),
    route("POST", f"{API}/commit/(?P<revision>[^/]+)", commit),
    route("POST", rf"{PAGE}\.git/info/lfs/objects/batch", lfs_batch),
    route("POST", rf"{PAGE}\.git/info/lfs/verify", lfs_verify),
    route("PUT", STORE, lfs_upload),
    route("PUT", f"{STORE}/(?P<part>[0-9]+)", lfs_part),
    route("POST", f"{STORE}/complete", lfs_complete),
]
