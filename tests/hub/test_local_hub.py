"""The local Hub, as the real client meets it: `huggingface_hub` in this process, transformers and peft in another."""

from __future__ import annotations

import functools
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelCard,
    get_token,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

from local_hub import LocalHub, Request, User

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = bytes(range(256)) * 400
"""What a large file holds: 102,400 bytes that are no text."""
WEIGHTS_SHA256 = sha256(WEIGHTS).hexdigest()
# The client sends a large file with an argument that its own HTTP library calls old-fashioned.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

TOKENS = {
    "hf_me": User("me", orgs={"lab": "write", "club": "read"}),
    "hf_me_reading": User("me", "read"),
    "hf_other": User("other"),
}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tokens=TOKENS) as hub, hub.in_this_process(cache=tmp_path / "cache"):
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small run: two texts, one of them in a folder, and weights."""
    folder = tmp_path / "run"
    (folder / "predictions").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"hello\n")
    (folder / "predictions" / "the test.jsonl").write_bytes(b'{"id": 1}\n')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


def api(token: str | bool = "hf_me") -> HfApi:
    return HfApi(token=token)


def push(hub: LocalHub, folder: Path, **options: str) -> list[str]:
    """Uploads a folder, and returns what arrived."""
    before = len(hub.uploaded)
    api().upload_folder(repo_id="me/x", folder_path=folder, **options)
    return hub.uploaded[before:]


def sent(hub: LocalHub, method: str, path: str = "") -> list[Request]:
    return [request for request in hub.requests if request.method == method and path in request.path]


def test_whoami_tells_the_user_the_organizations_and_what_the_token_may(hub):
    me = api().whoami()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("me", "write")
    assert {org["name"]: org["roleInOrg"] for org in me["orgs"]} == {"lab": "write", "club": "read"}
    assert api("hf_me_reading").whoami()["auth"]["accessToken"]["role"] == "read"
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as failed:
        api("hf_nobody").whoami()
    assert failed.value.response.status_code == 401


def test_a_new_repository_holds_gitattributes_and_exists_once(hub):
    url = api().create_repo("me/x", private=True)
    assert (url.repo_id, str(url)) == ("me/x", f"{hub.endpoint}/me/x")
    assert hub.repository("me/x").private
    assert list(hub.files("me/x")) == [".gitattributes"]
    assert api().create_repo("me/x", exist_ok=True).repo_id == "me/x"
    with pytest.raises(HfHubHTTPError, match="already created this model repo") as failed:
        api().create_repo("me/x")
    assert failed.value.response.status_code == 409


@pytest.mark.parametrize(
    ("token", "repo_id", "status"),
    [
        ("hf_me", "lab/x", None),
        ("hf_me", "x", None),
        ("hf_me", "club/x", 403),
        ("hf_me", "other/x", 403),
        ("hf_me_reading", "me/x", 403),
        ("hf_nobody", "me/x", 401),
        (False, "me/x", 401),
    ],
)
def test_who_may_create_what(hub, token, repo_id, status):
    if status is None:
        assert api(token).create_repo(repo_id).repo_id == (repo_id if "/" in repo_id else f"me/{repo_id}")
        return
    with pytest.raises(HfHubHTTPError) as failed:
        api(token).create_repo(repo_id)
    assert failed.value.response.status_code == status
    with pytest.raises(KeyError):
        hub.repository(repo_id)


def test_a_second_upload_sends_nothing_and_a_third_only_what_changed(hub, folder):
    api().create_repo("me/x")
    paths = {"config.json", "model.safetensors", "predictions/the test.jsonl"}
    assert push(hub, folder) == [WEIGHTS_SHA256, "config.json", "predictions/the test.jsonl"]
    assert {path: hub.files("me/x")[path] for path in paths} == {path: (folder / path).read_bytes() for path in paths}
    first = hub.commits("me/x")[0]
    assert set(first.paths) == paths
    assert push(hub, folder, commit_message="again") == []
    assert hub.commits("me/x")[0] is first
    (folder / "config.json").write_bytes(b"changed\n")
    assert push(hub, folder, commit_message="third") == ["config.json"]
    newest = hub.commits("me/x")[0]
    assert (newest.message, newest.paths, newest.parent) == ("third", ("config.json",), first)
    assert hub.files("me/x", first.sha)["config.json"] == b"hello\n"


def test_info_and_tree_say_sizes_and_the_ids_that_git_gives(hub, folder):
    api().create_repo("me/x")
    push(hub, folder)
    siblings = {sibling.rfilename: sibling for sibling in api().model_info("me/x", files_metadata=True).siblings}
    config, weights = siblings["config.json"], siblings["model.safetensors"]
    assert (config.size, config.blob_id, config.lfs) == (6, "ce013625030ba8dba906f756967f9e9ca394464a", None)
    assert (weights.size, weights.lfs.sha256) == (102_400, WEIGHTS_SHA256)
    # What git hash-object says of the pointer that git-lfs writes.
    assert (weights.blob_id, weights.lfs.pointer_size) == ("7a206a8a3af594b3a84d2daac4f184782e91a830", 131)
    tree = {entry.path: entry for entry in api().list_repo_tree("me/x", recursive=True, expand=True)}
    assert set(tree) == {*siblings, "predictions"}
    assert tree["model.safetensors"].lfs.sha256 == weights.lfs.sha256
    assert tree["config.json"].last_commit.oid == hub.commits("me/x")[0].sha
    top = [entry.path for entry in api().list_repo_tree("me/x")]
    assert top == ["predictions", ".gitattributes", "config.json", "model.safetensors"]
    inside = [entry.path for entry in api().list_repo_tree("me/x", "predictions")]
    assert inside == ["predictions/the test.jsonl"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api().list_repo_tree("me/x", "nowhere"))
    found = api().get_paths_info("me/x", ["config.json", "predictions", "nowhere"])
    assert [entry.path for entry in found] == ["config.json", "predictions"]


def test_the_metadata_of_the_card_is_in_the_info(hub):
    card = b"---\nlicense: mit\npipeline_tag: text-classification\nlibrary_name: peft\nbase_model: a/b\n---\n# x\n"
    hub.add_repo("me/x", {"README.md": card})
    info = api().model_info("me/x")
    assert (info.pipeline_tag, info.library_name, info.card_data.license) == ("text-classification", "peft", "mit")
    assert info.tags == ["peft", "text-classification", "license:mit", "base_model:a/b"]


def test_branches_tags_and_commits_are_revisions(hub, folder):
    api().create_repo("me/x")
    push(hub, folder)
    main = hub.commits("me/x")[0].sha
    api().create_branch("me/x", branch="trial/2")
    api().create_tag("me/x", tag="v1")
    (folder / "config.json").write_bytes(b"on the branch\n")
    assert push(hub, folder, revision="trial/2") == ["config.json"]
    trial = hub.commits("me/x", "trial/2")[0].sha
    refs = api().list_repo_refs("me/x")
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": main, "trial/2": trial}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": main}
    for revision, text in {
        "trial/2": "on the branch\n",
        trial: "on the branch\n",
        "v1": "hello\n",
        main: "hello\n",
    }.items():
        read = Path(hf_hub_download("me/x", "config.json", revision=revision)).read_text()
        assert (revision, read) == (revision, text)
    assert [commit.commit_id for commit in api().list_repo_commits("me/x", revision="trial/2")][:2] == [trial, main]
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api().create_branch("me/x", branch="trial/2")
    api().create_branch("me/x", branch="trial/2", exist_ok=True)


def test_an_unknown_revision_is_not_found_and_nothing_is_sent_to_it(hub, folder):
    hub.add_repo("me/x", {"a.txt": b"a"})
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: nowhere"):
        api().model_info("me/x", revision="nowhere")
    with pytest.raises(RevisionNotFoundError):
        snapshot_download("me/x", revision="nowhere")
    with pytest.raises(RevisionNotFoundError):
        push(hub, folder, revision="nowhere")
    assert hub.uploaded == []


def test_a_missing_file_is_not_found_and_the_client_remembers(hub, tmp_path):
    sha = hub.add_repo("me/x", {"a.txt": b"a"})
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("me/x", "b.txt")
    assert (tmp_path / "cache" / "models--me--x" / ".no_exist" / sha / "b.txt").exists()
    assert not api().file_exists("me/x", "b.txt")
    assert api().file_exists("me/x", "a.txt")


def test_a_private_repository_does_not_exist_for_others(hub):
    hub.add_repo("me/x", {"a.txt": b"a"}, private=True)
    for token, status in {"hf_other": 404, False: 401}.items():
        with pytest.raises(RepositoryNotFoundError) as failed:
            api(token).model_info("me/x")
        assert failed.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download("me/x", "a.txt", token=token)
    assert api("hf_me_reading").model_info("me/x").private
    assert Path(hf_hub_download("me/x", "a.txt", token="hf_me_reading")).read_text() == "a"
    api().update_repo_settings("me/x", private=False)
    assert api(False).model_info("me/x").private is False


def test_a_file_says_what_it_is_before_it_is_downloaded(hub):
    sha = hub.add_repo("me/x", {"a.txt": b"hello\n", "b.safetensors": WEIGHTS})
    for path, etag in {"a.txt": "ce013625030ba8dba906f756967f9e9ca394464a", "b.safetensors": WEIGHTS_SHA256}.items():
        answer = get_session().head(f"{hub.endpoint}/me/x/resolve/main/{path}")
        assert (answer.status_code, answer.content, answer.headers["X-Repo-Commit"]) == (200, b"", sha)
        assert answer.headers["ETag"] == f'"{etag}"'
    large = (answer.headers["X-Linked-Etag"], answer.headers["X-Linked-Size"], answer.headers["Content-Length"])
    assert large == (f'"{WEIGHTS_SHA256}"', "102400", "102400")


def test_a_gated_repository_shows_itself_but_not_its_files(hub):
    hub.add_repo("me/x", {"a.txt": b"a"}, gated=True)
    for token, status in {"hf_other": 403, False: 401}.items():
        assert api(token).model_info("me/x").gated == "manual"
        with pytest.raises(GatedRepoError, match="is restricted") as failed:
            hf_hub_download("me/x", "a.txt", token=token)
        assert failed.value.response.status_code == status
    assert Path(hf_hub_download("me/x", "a.txt", token="hf_me")).read_text() == "a"


@pytest.mark.parametrize(
    ("token", "status", "says"),
    [
        ("hf_me_reading", 403, "write token"),
        ("hf_other", 403, "create_pr=1"),
        ("hf_nobody", 401, "Invalid credentials"),
        (False, 401, "Invalid username or password"),
    ],
)
def test_only_who_may_write_uploads(hub, folder, token, status, says):
    hub.add_repo("me/x", {"a.txt": b"a"})
    with pytest.raises(HfHubHTTPError, match=says) as failed:
        api(token).upload_folder(repo_id="me/x", folder_path=folder)
    assert failed.value.response.status_code == status
    assert list(hub.files("me/x")) == ["a.txt"]
    assert hub.uploaded == []


def test_a_pull_request_leaves_main_as_it_is(hub, folder):
    hub.add_repo("me/x", {"a.txt": b"a"})
    done = api("hf_other").upload_folder(repo_id="me/x", folder_path=folder, create_pr=True)
    assert (done.pr_revision, done.pr_num) == ("refs/pr/1", 1)
    assert list(hub.files("me/x")) == ["a.txt"]
    assert hub.files("me/x", "refs/pr/1")["config.json"] == b"hello\n"


def test_a_commit_on_an_old_parent_is_refused(hub):
    old = hub.add_repo("me/x", {"a.txt": b"a", "b/c.txt": b"c"})
    new = hub.add_commit("me/x", {"a.txt": b"by another"})
    operations = [CommitOperationAdd("a.txt", b"mine"), CommitOperationDelete("b/")]
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as failed:
        api().create_commit("me/x", operations, commit_message="late", parent_commit=old)
    assert failed.value.response.status_code == 412
    assert hub.files("me/x")["a.txt"] == b"by another"
    api().create_commit("me/x", operations, commit_message="in time", parent_commit=new)
    assert hub.files("me/x") == {"a.txt": b"mine"}
    assert hub.commits("me/x")[0].paths == ("a.txt", "b/c.txt")


def test_what_gitignore_names_is_not_uploaded(hub, folder):
    hub.add_repo("me/x", {".gitignore": b"# notes\npredictions/\n*.tmp\n"})
    (folder / "notes.tmp").write_text("x")
    assert push(hub, folder) == [WEIGHTS_SHA256, "config.json"]


def test_a_model_and_a_dataset_of_one_id_are_two_repositories(hub):
    hub.add_repo("me/x", {"kind.txt": b"model"})
    api().create_repo("me/x", repo_type="dataset")
    api().upload_file(repo_id="me/x", repo_type="dataset", path_in_repo="kind.txt", path_or_fileobj=b"dataset")
    for repo_type in ("model", "dataset"):
        assert Path(hf_hub_download("me/x", "kind.txt", repo_type=repo_type)).read_text() == repo_type
        assert api().repo_info("me/x", repo_type=repo_type).id == "me/x"
    with pytest.raises(RepositoryNotFoundError):
        api().repo_info("me/x", repo_type="space")


def test_an_upload_that_is_cut_is_sent_again(hub, folder):
    api().create_repo("me/x")
    hub.fail("PUT", "/lfs/", cut_after=1000, times=1)
    assert push(hub, folder)[0] == WEIGHTS_SHA256
    assert [len(request.body) for request in sent(hub, "PUT")] == [1000, 102_400]
    assert hub.files("me/x")["model.safetensors"] == WEIGHTS


def test_after_a_failed_commit_only_the_commit_is_left_to_do(hub, folder):
    api().create_repo("me/x")
    hub.fail("POST", "/commit/main", status=503, message="Down for maintenance")
    with pytest.raises(HfHubHTTPError, match="Down for maintenance"):
        push(hub, folder)
    assert list(hub.files("me/x")) == [".gitattributes"]
    assert hub.uploaded == [WEIGHTS_SHA256]
    hub.recover()
    assert push(hub, folder) == ["config.json", "predictions/the test.jsonl"]
    assert hub.files("me/x")["model.safetensors"] == WEIGHTS


def test_a_late_failure_loses_only_the_answer(hub):
    hub.add_repo("me/x", {"a.txt": b"a"})
    hub.fail("POST", "/commit/", drop=True, late=True, times=1)
    with pytest.raises(Exception, match="disconnected"):
        api().upload_file(repo_id="me/x", path_in_repo="a.txt", path_or_fileobj=b"new")
    assert hub.files("me/x")["a.txt"] == b"new"
    api().upload_file(repo_id="me/x", path_in_repo="a.txt", path_or_fileobj=b"new")
    assert len(hub.commits("me/x")) == 2


def test_bytes_that_are_not_those_announced_are_refused(hub, folder):
    api().create_repo("me/x")
    hub.fail("PUT", "/lfs/", status=400)
    with pytest.raises(RuntimeError, match=r"model\.safetensors"):
        push(hub, folder)
    hub.recover()
    path = sent(hub, "PUT")[0].path
    for wrong in (WEIGHTS[:-1], WEIGHTS[:-1] + b"\0"):
        assert get_session().put(hub.endpoint + path, content=wrong).status_code == 400
    assert get_session().put(hub.endpoint + path[:-1], content=WEIGHTS).status_code == 403
    assert hub.uploaded == []
    assert get_session().put(hub.endpoint + path, content=iter([WEIGHTS[:9], WEIGHTS[9:]])).status_code == 200
    assert hub.uploaded == [WEIGHTS_SHA256]


def test_a_size_that_is_not_the_one_announced_is_refused(hub):
    hub.add_repo("me/x", {"a.txt": b"a"})
    wanted = {"objects": [{"oid": WEIGHTS_SHA256, "size": 9}]}
    url = f"{hub.endpoint}/me/x.git/info/lfs/objects/batch"
    offer = get_session().post(url, json=wanted, headers={"Authorization": "Bearer hf_me"}).json()["objects"][0]
    assert get_session().put(offer["actions"]["upload"]["href"], content=WEIGHTS).status_code == 400
    assert hub.uploaded == []


def test_a_large_file_is_sent_in_parts_where_the_hub_wants_it(tmp_path, folder):
    with LocalHub(tokens=TOKENS, part_size=40_000) as hub, hub.in_this_process(cache=tmp_path / "cache"):
        api().create_repo("me/x")
        assert push(hub, folder)[0] == WEIGHTS_SHA256
        assert [len(request.body) for request in sent(hub, "PUT")] == [40_000, 40_000, 22_400]
        assert hub.files("me/x")["model.safetensors"] == WEIGHTS


def test_the_client_waits_when_it_is_told_to(hub, folder):
    api().create_repo("me/x")
    hub.fail("POST", "/preupload/", status=429, headers={"Retry-After": "0"}, times=1)
    push(hub, folder)
    assert len(sent(hub, "POST", "/preupload/")) == 2
    assert hub.files("me/x")["config.json"] == b"hello\n"


def test_a_download_that_is_cut_goes_on_where_it_was(hub, monkeypatch):
    # The client writes whole chunks, of 10 MB: it would begin again with a file as small as this one.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.add_repo("me/x", {"model.safetensors": WEIGHTS})
    hub.fail("GET", "/resolve/", cut_after=50_000, times=1)
    assert Path(hf_hub_download("me/x", "model.safetensors")).read_bytes() == WEIGHTS
    assert [request.headers["Range"] for request in sent(hub, "GET", "/resolve/")] == [None, "bytes=50000-"]


@pytest.mark.parametrize(
    ("wanted", "status", "content_range", "body"),
    [
        ("bytes=2-", 206, "bytes 2-9/10", b"23456789"),
        ("bytes=2-4", 206, "bytes 2-4/10", b"234"),
        ("bytes=-3", 206, "bytes 7-9/10", b"789"),
        ("bytes=8-99", 206, "bytes 8-9/10", b"89"),
        ("bytes=10-", 416, "bytes */10", None),
    ],
)
def test_ranges(hub, wanted, status, content_range, body):
    hub.add_repo("me/x", {"a.txt": b"0123456789"})
    answer = get_session().get(f"{hub.endpoint}/me/x/resolve/main/a.txt", headers={"Range": wanted})
    assert (answer.status_code, answer.headers["Content-Range"]) == (status, content_range)
    assert body is None or answer.content == body


def test_a_snapshot_is_whole(hub, folder):
    api().create_repo("me/x")
    push(hub, folder)
    snapshot = Path(snapshot_download("me/x"))
    assert snapshot.name == hub.commits("me/x")[0].sha
    files = {str(path.relative_to(snapshot)): path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}
    assert files == hub.files("me/x")
    hub.requests.clear()
    snapshot_download("me/x")  # asks what the newest commit is, and has it
    assert [request.path for request in sent(hub, "GET")] == ["/api/models/me/x/revision/main"]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("---\nlicense: mit\nmodel-index:\n- name: x\n---\n", "model-index\\[0\\].results"),
        ("---\nbase_model: /home/me/bert\n---\n", "Use a model id from"),
        ("---\na: [1\n---\n", "Invalid YAML"),
    ],
)
def test_a_card_with_wrong_metadata_is_refused_before_anything_is_sent(hub, card, says):
    hub.add_repo("me/x", {"a.txt": b"a"})
    with pytest.raises(ValueError, match=says):
        api().upload_file(repo_id="me/x", path_in_repo="README.md", path_or_fileobj=card.encode())
    assert hub.uploaded == []


def test_a_good_card_is_valid_and_an_empty_one_gets_a_warning(hub):
    hub.add_repo("me/x", {"a.txt": b"a"})
    ModelCard("---\nlicense: mit\nbase_model: a/b\n---\n# x\n").validate()
    with pytest.raises(ValueError, match="Use a model id from"):
        ModelCard("---\nbase_model: ../bert\n---\n# x\n").validate()
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        api().upload_file(repo_id="me/x", path_in_repo="README.md", path_or_fileobj=b"# x\n")


@pytest.mark.parametrize("failure", [{"drop": True}, {"status": 500}])
def test_failures_end(hub, failure):
    hub.add_repo("me/x", {"a.txt": b"a"})
    hub.fail("*", "/api/models/", **failure)
    for _ in range(2):
        with pytest.raises(Exception, match="disconnected|500 Internal Server Error"):
            api().model_info("me/x")
    hub.recover()
    assert api().model_info("me/x").id == "me/x"
    hub.fail("GET", "/api/models/me/x", status=404, error_code="RepoNotFound", times=1)
    with pytest.raises(RepositoryNotFoundError):
        api().model_info("me/x")
    assert api().model_info("me/x").id == "me/x"


def test_a_failure_is_one_of_its_kinds(hub):
    for wrong in ({}, {"status": 500, "drop": True}, {"cut_after": 1, "late": True}):
        with pytest.raises(ValueError):
            hub.fail("GET", "", **wrong)


def test_a_hub_that_was_stopped_is_unreachable_and_comes_back_with_its_content(tmp_path):
    hub = LocalHub()
    with pytest.raises(RuntimeError, match="before it is started"):
        hub.endpoint  # noqa: B018
    with hub, hub.in_this_process(token="hf_local_writer", cache=tmp_path / "cache"):
        assert get_token() == "hf_local_writer"
        hub.add_repo("me/x", {"a.txt": b"a"})
        address = hub.endpoint
        assert HfApi().model_info("me/x").id == "me/x"
        hub.__exit__(None, None, None)  # while the client keeps its connection open
        with pytest.raises(httpx2.ConnectError):
            HfApi().model_info("me/x")
        with hub:
            assert hub.endpoint == address
            assert Path(hf_hub_download("me/x", "a.txt")).read_text() == "a"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
@pytest.mark.filterwarnings("ignore:Could not find a config file")  # by peft, which was imported offline
def test_transformers_and_peft_load_by_id(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    local = checkpoint("bert")
    with LocalHub() as hub, hub.in_this_process(token="hf_local_writer", cache=tmp_path / "cache"):
        hub.add_repo("me/bert", {path.name: path.read_bytes() for path in local.iterdir()}, private=True)
        text = "the rain will stop today"
        inputs = AutoTokenizer.from_pretrained("me/bert")(text, return_tensors="pt")
        assert inputs["input_ids"].tolist() == [AutoTokenizer.from_pretrained(local)(text)["input_ids"]]
        assert AutoConfig.from_pretrained("me/bert").model_type == "bert"

        @torch.no_grad()
        def output(model: torch.nn.Module) -> torch.Tensor:
            return model.eval()(**inputs).last_hidden_state

        assert torch.equal(output(AutoModel.from_pretrained("me/bert")), output(AutoModel.from_pretrained(local)))
        tuned = get_peft_model(AutoModel.from_pretrained("me/bert"), LoraConfig(init_lora_weights=False))
        expected = output(tuned)
        tuned.save_pretrained(tmp_path / "adapter")
        HfApi().create_repo("me/adapter")
        HfApi().upload_folder(repo_id="me/adapter", folder_path=tmp_path / "adapter", ignore_patterns=["README.md"])
        loaded = PeftModel.from_pretrained(AutoModel.from_pretrained("me/bert"), "me/adapter")
        assert torch.equal(output(loaded), expected)
        assert hub.files("me/adapter")["adapter_config.json"].startswith(b"{")
        assert sent(hub, "GET", "/me/bert/resolve/")


def test_it_runs_in_the_foreground_until_it_is_interrupted(hub):
    command = [sys.executable, str(ROOT / "tests" / "local_hub"), "--port", "0", "--token", "hf_mine"]
    # Where the tests run in a shell's background, their processes would ignore the interruption.
    default = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default
    ) as process:
        endpoint = process.stdout.readline().split(" at ")[1].split(",")[0]
        exports = process.stdout.readline() + process.stdout.readline()
        assert f"export HF_ENDPOINT={endpoint} HF_HUB_DISABLE_XET=1" in exports
        assert "export HF_TOKEN=hf_mine" in exports
        assert HfApi(endpoint=endpoint, token="hf_mine").whoami()["name"] == "me"
        process.send_signal(signal.SIGINT)
        assert (process.wait(10), process.stderr.read()) == (0, "")
