"""What can go wrong on the way to the Hub: one message with its remedy, exit code 1, the run intact, and go on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import ftkit
from local_hub import LocalHub


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """The client waits between its tries; here it need not."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


FAILURES = [
    ("GET", "/api/whoami-v2", 401, "401", "hf auth login"),
    ("GET", "/api/whoami-v2", 429, "429", "in 17 seconds"),
    ("GET", "/api/whoami-v2", 503, "503", "status.huggingface.co"),
    ("POST", "/api/repos/create", 403, "403", "role 'write'"),
    ("POST", "/preupload/", 401, "401", "hf auth login"),
    ("POST", "/preupload/", 403, "403", "role 'write'"),
    ("POST", "/preupload/", 404, "404", "HF_ENDPOINT"),
    ("POST", "/preupload/", 429, "429", "in 17 seconds"),
    ("POST", "/preupload/", 500, "500", "same command again"),
    ("POST", "/info/lfs/objects/batch", 413, "413", "tuner.method: lora"),
    ("PUT", "/lfs/", 413, "413", "tuner.method: lora"),
    ("PUT", "/lfs/", 502, "502", "same command again"),
    ("POST", "/commit/", 409, "409", "Run the same command again"),
    ("POST", "/commit/", 412, "412", "Run the same command again"),
    ("POST", "/commit/", 413, "413", "tuner.method: lora"),
    ("POST", "/commit/", 429, "429", "in 17 seconds"),
    ("POST", "/commit/", 504, "504", "same command again"),
]


@pytest.mark.parametrize(("method", "path", "status", "said", "remedy"), FAILURES)
def test_a_refusal(hub, run, command, method, path, status, said, remedy):
    before = digests(run)
    hub.fail(method, path, status=status, headers={"Retry-After": "17"} if status == 429 else None)
    code, _, error = command("push", run, "me/intents", "--yes")
    assert code == 1
    message = error[error.index("error: ") :]
    assert said in message
    assert remedy in message
    assert "Traceback" not in error
    assert message.count("\n") == 1, "one message"
    assert digests(run) == before
    hub.recover()
    assert command("push", run, "me/intents", "--yes")[0] == 0
    assert hub.files("me/intents")["model.safetensors"] == (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("cut", [{"cut_after": 1000}, {"drop": True}])
def test_a_connection_that_breaks_in_mid_upload(hub, run, command, cut):
    hub.fail("PUT", "/lfs/", **cut)
    before = digests(run)
    code, _, error = command("push", run, "me/intents", "--yes")
    assert code == 1
    assert "the connection broke" in error
    assert "same command again" in error
    assert "model.safetensors" not in hub.files("me/intents"), "a repository never shows half a run"
    hub.recover()
    assert command("push", run, "me/intents", "--yes")[0] == 0
    assert digests(run) == before
    assert "model.safetensors" in hub.files("me/intents")


def test_after_a_commit_that_broke_the_weights_are_not_sent_again(hub, run, command):
    hub.fail("POST", "/commit/", drop=True)
    assert command("push", run, "me/intents", "--yes")[0] == 1
    weights = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    assert hub.uploaded.count(weights) == 1
    hub.recover()
    assert command("push", run, "me/intents", "--yes")[0] == 0
    assert hub.uploaded.count(weights) == 1
    assert hub.files("me/intents")["model.safetensors"] == (run / "model.safetensors").read_bytes()


def test_no_network(run, tmp_path, command):
    with LocalHub() as hub:
        pass
    with hub.in_this_process(token="hf_local_writer", cache=tmp_path / "cache"):
        code, _, error = command("push", run, "me/intents", "--yes")
    assert code == 1
    assert "cannot be reached" in error
    assert "HF_ENDPOINT" in error


@pytest.mark.usefixtures("no_network")
def test_offline_mode(run, command):
    code, _, error = command("push", run, "me/intents", "--yes")
    assert code == 1
    assert "HF_HUB_OFFLINE" in error


def test_somebody_else_commits_meanwhile(hub, run, command):
    hub.add_repo("me/intents", {"a.txt": b"a"})

    def confirm(about):
        hub.add_commit("me/intents", {"a.txt": b"b"})
        return True

    with pytest.raises(ftkit.HubError, match="somebody else changed me/intents meanwhile"):
        ftkit.push(run, "me/intents", confirm=confirm)
    assert hub.files("me/intents") == {"a.txt": b"b"}
    assert command("push", run, "me/intents", "--yes")[0] == 0
