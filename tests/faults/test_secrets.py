"""A token that stands where it does not belong is refused, and never repeated: not on the screen, not in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_hub import LocalHub
from runs import run_config

CANARY = "hf_canaryCanaryCanaryCanaryCanaryCan7"
Command = Callable[..., tuple[int, str, str]]


def assert_nowhere(folder: Path, said: str, *, but_in: Path | None = None) -> None:
    assert CANARY not in said
    for path in folder.rglob("*"):
        assert CANARY not in path.name
        if path.is_file() and path != but_in:
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("place", ["file", "override"])
@pytest.mark.parametrize(
    "key", ["train.hub_token", "hub_token", "push.token", "model.token", "data.token", "train.token", "HF_TOKEN"]
)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_a_token_in_a_config(checkpoint, tmp_path: Path, command: Command, verb: str, key: str, place: str) -> None:
    config: dict[str, Any] = run_config(tmp_path, checkpoint("bert"))
    file, overrides = tmp_path / "config.yaml", [f"{key}={CANARY}"] if place == "override" else []
    if place == "file":
        section, _, name = key.rpartition(".")
        target = config.setdefault(section, {"repo_id": "me/x"} if section == "push" else {}) if section else config
        target[name] = CANARY
    file.write_text(json.dumps(config))
    code, out, err = command(verb, file, *overrides)
    assert code == 2
    assert_nowhere(tmp_path, out + err, but_in=file)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("failure", [{"status": 401}, {"status": 500}, {"drop": True}])
def test_a_push_that_fails(checkpoint, tmp_path: Path, command: Command, failure: dict[str, Any]) -> None:
    from local_hub import User

    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1}, push={"repo_id": "me/intents"})
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    with (
        LocalHub(tokens={CANARY: User("me")}) as hub,
        hub.in_this_process(token=CANARY, cache=tmp_path / "hub-cache"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("time.sleep", lambda seconds: None)
        hub.fail("POST", "/api/models/me/intents/commit", **failure)
        code, out, err = command("train", tmp_path / "config.yaml")
        assert code == 1, err
        assert "The run is finished and whole. To push it" in err
        assert not [request for request in hub.requests if CANARY.encode() in request.body]
    assert_nowhere(tmp_path, out + err)
