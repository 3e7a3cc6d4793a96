"""Pushing a run: what arrives, what never does, what is sent again; nothing is written before all is checked."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

import ftkit
from adapter_runs import write_adapter_run
from ftkit.config.run_config import load_config
from local_hub import LocalHub, User


def write_requests(hub: LocalHub) -> list[str]:
    """Returns the requests that could change something."""
    return [f"{request.method} {request.path}" for request in hub.requests if request.method not in ("GET", "HEAD")]


def test_a_push_uploads_the_model_and_no_more(hub, run):
    (run / "training_args.bin").write_bytes(b"pickled")
    (run / "notes.txt").write_text("mine")
    (run / "optimizer.pt").write_bytes(b"0")
    (run / "tensorboard").mkdir()
    (run / "tensorboard" / "events.out.tfevents.1").write_bytes(b"0")
    pushed = ftkit.push(run, "me/intents")
    files = hub.files("me/intents")
    assert set(files) - {".gitattributes"} == {
        *("README.md", "all_results.json", "config.json", "ftkit.yaml", "model.safetensors"),
        *("report.html", "report.json", "tokenizer.json", "tokenizer_config.json"),
    }
    assert files["model.safetensors"] == (run / "model.safetensors").read_bytes()
    assert files["config.json"] == (run / "config.json").read_bytes()
    assert pushed.repo_id == "me/intents"
    assert pushed.commit == hub.commits("me/intents")[0].sha
    assert set(pushed.uploaded) == set(files) - {".gitattributes"}
    assert (run / "notes.txt").read_text() == "mine"


def test_no_text_of_the_data_and_no_path_of_this_machine_is_uploaded(hub, run):
    ftkit.push(run, "me/intents")
    with Path(str(load_config(run / "ftkit.yaml").data.test)).open(newline="") as file:
        texts = {row["text"] for row in csv.DictReader(file)}
    assert len(texts) == 8
    for name, content in hub.files("me/intents").items():
        if not name.endswith(".safetensors") and not name.startswith("tokenizer"):
            found = [text for text in texts if text.encode() in content]
            assert not found, f"{name} holds {found}"
            assert str(run.parent).encode() not in content, name
            assert b"/home/" not in content
            assert b"/pushed" not in content


def test_predictions_are_uploaded_where_that_is_asked_for(hub, run):
    ftkit.push(run, "me/intents", with_predictions=True)
    files = hub.files("me/intents")
    assert files["predictions/test.jsonl"] == (run / "predictions" / "test.jsonl").read_bytes()
    assert "predictions/validation.jsonl" in files
    # And away again by a push without, so that the newest commit shows what was asked for last.
    pushed = ftkit.push(run, "me/intents")
    assert "predictions/test.jsonl" in pushed.removed
    assert not [name for name in hub.files("me/intents") if name.startswith("predictions/")]


def test_the_config_that_is_uploaded_loads_and_pushes_nowhere(hub, run, tmp_path):
    text = (run / "ftkit.yaml").read_text()
    (run / "ftkit.yaml").write_text(text + "push: {repo_id: me/intents}\n")
    ftkit.push(run, "me/intents")
    (tmp_path / "pushed.yaml").write_bytes(hub.files("me/intents")["ftkit.yaml"])
    config = load_config(tmp_path / "pushed.yaml")
    assert config.push is None
    assert config.output_dir == "run"
    assert config.data.train == "train.csv"
    assert config.run == load_config(run / "ftkit.yaml").run


def test_a_second_push_sends_nothing(hub, run):
    ftkit.push(run, "me/intents")
    sent, commits = list(hub.uploaded), len(hub.commits("me/intents"))
    pushed = ftkit.push(run, "me/intents")
    assert pushed.uploaded == ()
    assert set(pushed.unchanged) == set(hub.files("me/intents")) - {".gitattributes"}
    assert hub.uploaded == sent
    assert len(hub.commits("me/intents")) == commits


def test_only_what_has_changed_is_sent(hub, run):
    ftkit.push(run, "me/intents")
    del hub.uploaded[:]
    (run / "config.json").write_text((run / "config.json").read_text().replace("{", '{\n  "note": 1,', 1))
    assert ftkit.push(run, "me/intents").uploaded == ("config.json",)
    assert hub.uploaded == ["config.json"]


def test_weights_of_an_earlier_model_are_removed_and_foreign_files_stay(hub, run):
    hub.add_repo(
        "me/intents", {"adapter_model.safetensors": b"old", "adapter_config.json": b"{}", "logo.png": b"mine"}
    )
    pushed = ftkit.push(run, "me/intents")
    assert pushed.removed == ("adapter_config.json", "adapter_model.safetensors")
    assert "adapter_model.safetensors" not in hub.files("me/intents")
    assert hub.files("me/intents")["logo.png"] == b"mine"


def test_what_people_wrote_into_the_card_stays(hub, run):
    """On the Hub, by its editor, as well as here."""
    ftkit.push(run, "me/intents")
    card = hub.files("me/intents")["README.md"].decode()
    edited = card.replace("---\n", "---\nlicense: mit\n", 1).replace(
        "## Limits\n", "## Limits\n\n- Not for pets.\n", 1
    )
    hub.add_commit("me/intents", {"README.md": f"{edited}\n## Thanks\n\nTo all.\n".encode()})
    here = (run / "README.md").read_text()
    (run / "README.md").write_text(here.replace("## Training", "## Intended use\n\nSupport.\n\n## Training", 1))
    pushed = ftkit.push(run, "me/intents")
    found = hub.files("me/intents")["README.md"].decode()
    for kept in ("license: mit", "- Not for pets.", "## Thanks\n\nTo all.", "## Intended use\n\nSupport."):
        assert found.count(kept) == 1, kept
    assert pushed.uploaded == ("README.md",)
    assert ftkit.push(run, "me/intents").uploaded == ()


def test_a_repository_that_was_made_with_a_licence_keeps_it(hub, run):
    hub.add_repo("me/intents", {"README.md": b"---\nlicense: apache-2.0\n---\n"})
    ftkit.push(run, "me/intents")
    found = hub.files("me/intents")["README.md"].decode()
    assert "license: apache-2.0" in found
    assert "## How to use" in found
    assert "pipeline_tag: text-classification" in found


def test_a_new_repository_is_private_if_asked_for(hub, run):
    ftkit.push(run, "me/hidden", private=True)
    ftkit.push(run, "me/open")
    assert hub.repository("me/hidden").private
    assert not hub.repository("me/open").private


def test_a_name_alone_belongs_to_the_token_s_owner(hub, run):
    assert ftkit.push(run, "intents").repo_id == "me/intents"
    assert "model.safetensors" in hub.files("me/intents")


def test_a_branch_is_written_and_main_stays(hub, run):
    hub.add_repo("me/intents", {"a.txt": b"a"})
    hub.repository("me/intents").branches["v2"] = hub.repository("me/intents").branches["main"]
    ftkit.push(run, "me/intents", revision="v2", message="second try")
    assert "model.safetensors" in hub.files("me/intents", "v2")
    assert set(hub.files("me/intents")) == {"a.txt"}
    assert hub.commits("me/intents", "v2")[0].message == "second try"


def test_the_commit_says_how_good_the_run_is(hub, run):
    ftkit.push(run, "me/intents")
    accuracy = json.loads((run / "all_results.json").read_text())["test_accuracy"]
    assert (
        hub.commits("me/intents")[0].message
        == f"intents, by ftkit {ftkit.__version__}: accuracy {accuracy:.4f} on test"
    )


def test_a_link_could_lead_anywhere_and_stays_at_home(hub, run, tmp_path):
    (tmp_path / "private.txt").write_text("not to be shared")
    (run / "tokenizer_of_mine.txt").symlink_to(tmp_path / "private.txt")
    ftkit.push(run, "me/intents")
    assert "tokenizer_of_mine.txt" not in hub.files("me/intents")


def test_a_run_whose_weights_are_a_link_is_not_half_uploaded(hub, run, tmp_path):
    (run / "model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (run / "model.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(ftkit.UserError, match="holds no weights to upload"):
        ftkit.push(run, "me/intents")
    assert not write_requests(hub)


def test_weights_that_the_run_did_not_save_are_not_uploaded(hub, run, command):
    weights = bytearray((run / "model.safetensors").read_bytes())
    weights[-4:] = b"\x00\x00\x80\x3f"
    (run / "model.safetensors").write_bytes(weights)
    code, output, errors = command("push", run, "me/intents", "--yes")
    assert (code, output) == (2, "")
    assert "are not those that the run saved and proved" in " ".join(errors.split())
    assert not write_requests(hub)


def test_an_adapter_that_the_run_did_not_save_is_not_uploaded(hub, tmp_path, checkpoint):
    hub.add_repo("me/base", {path.name: path.read_bytes() for path in checkpoint("bert").iterdir()})
    run = write_adapter_run(tmp_path / "adapter", checkpoint("bert"))
    with (run / "adapter_model.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(ftkit.CheckpointError, match="is not the file that the run wrote"):
        ftkit.push(run, "me/adapter", base="me/base")
    assert not write_requests(hub)


def test_a_copy_of_a_repository_is_pulled_first(hub, run):
    ftkit.push(run, "me/intents")
    with pytest.raises(ftkit.UserError, match="ftkit pull me/intents OUT"):
        ftkit.push("me/intents", "me/copy")


# --- tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HF_TOKEN", "hf_local_writer"),
        ("WANDB_API_KEY", "0123456789abcdef0123456789abcdef01234567"),
        ("MLFLOW_TRACKING_PASSWORD", "correct horse battery"),
        (None, "hf_" + "a1" * 17),
    ],
)
@pytest.mark.parametrize("file", ["README.md", "tokenizer_config.json"])
def test_a_file_with_a_token_is_never_sent(hub, run, monkeypatch, variable, value, file):
    if variable is not None:
        monkeypatch.setenv(variable, value)
    text = (run / file).read_text()
    (run / file).write_text(
        text + f"\n\nhttps://user:{value}@huggingface.co\n"
        if file.endswith("md")
        else text.replace("{", f'{{"a": "{value}", ', 1)
    )
    with pytest.raises(ftkit.UserError, match=rf"{file}, line \d+ holds") as caught:
        ftkit.push(run, "me/intents")
    assert value not in str(caught.value)
    assert "Nothing was uploaded" in str(caught.value)
    assert not write_requests(hub)


# --- checked before anything is written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b/c", "me/in tents", "me/..", "_x/y!", "me/a--b", "me/x.git", "", "../x"])
def test_an_id_that_cannot_be_one(hub, run, command, name):
    code, _, error = command("push", run, name, "--yes")
    assert code == 2
    assert "owner/name" in error
    assert not hub.requests


def test_no_token(run, tmp_path):
    with LocalHub() as hub, hub.in_this_process(cache=tmp_path / "cache"):
        with pytest.raises(ftkit.HubError, match="no token") as caught:
            ftkit.push(run, "me/intents")
        assert "hf auth login" in str(caught.value)
        assert not write_requests(hub)


def test_a_token_that_the_hub_does_not_know(run, tmp_path, command):
    with LocalHub() as hub, hub.in_this_process(token="hf_nobody", cache=tmp_path / "cache"):
        code, _, error = command("push", run, "me/intents", "--yes")
        assert code == 1
        assert "401" in error
        assert "hf_nobody" not in error
        assert not write_requests(hub)


def test_a_token_that_only_reads(run, tmp_path):
    with LocalHub() as hub, hub.in_this_process(token="hf_local_reader", cache=tmp_path / "cache"):
        with pytest.raises(ftkit.HubError, match="may only read 'reader'"):
            ftkit.push(run, "reader/intents")
        assert not write_requests(hub)


def test_somebody_else_s_name(hub, run):
    with pytest.raises(ftkit.HubError, match="may not write to 'you'. It may write to 'me'"):
        ftkit.push(run, "you/intents")
    assert not write_requests(hub)


def test_a_team_may_be_written_to_by_its_writers(run, tmp_path):
    tokens = {"hf_w": User("me", orgs={"team": "write"}), "hf_r": User("me", orgs={"team": "read"})}
    with LocalHub(tokens=tokens) as hub:
        with (
            hub.in_this_process(token="hf_r", cache=tmp_path / "cache"),
            pytest.raises(ftkit.HubError, match="only read"),
        ):
            ftkit.push(run, "team/intents")
        with hub.in_this_process(token="hf_w", cache=tmp_path / "cache"):
            assert ftkit.push(run, "team/intents").repo_id == "team/intents"


def test_a_dataset_of_that_name(hub, run):
    hub.add_repo("me/intents", {"a.csv": b"a"}, repo_type="dataset")
    with pytest.raises(ftkit.HubError, match="is a dataset") as caught:
        ftkit.push(run, "me/intents")
    assert "hf repos create me/intents" in str(caught.value)
    assert not write_requests(hub)


def test_a_public_repository_where_a_private_one_was_meant(hub, run):
    hub.add_repo("me/intents", {})
    with pytest.raises(ftkit.HubError, match="is public"):
        ftkit.push(run, "me/intents", private=True)
    assert not write_requests(hub)


@pytest.mark.parametrize("exists", [True, False])
def test_a_revision_that_does_not_exist(hub, run, command, exists):
    if exists:
        hub.add_repo("me/intents", {})
    code, _, error = command("push", run, "me/intents", "--revision", "v9", "--yes")
    assert code == 1
    assert "revision 'v9'" in error
    assert ("hf repos branch create me/intents v9" in error) == exists
    assert not write_requests(hub)


def test_what_is_no_run(hub, tmp_path, command):
    (tmp_path / "folder").mkdir()
    code, _, error = command("push", tmp_path / "folder", "me/intents", "--yes")
    assert code == 2
    assert "is not a run" in error
    assert not write_requests(hub)


# --- the command ---------------------------------------------------------------------------------------------


def test_the_command_shows_both_sides_and_sends_after_yes(hub, run, command):
    (run / "optimizer.pt").write_bytes(b"0" * 2_000_000)
    code, out, error = command("push", run, "me/intents", "--yes")
    assert code == 0, error
    for shown in ("me/intents, new and public, as me", "model.safetensors", "Stays at home", "optimizer.pt (2.0 MB)"):
        assert shown in error
    assert "predictions/" in error.partition("Stays at home")[2]
    assert "--with-predictions" in error
    assert f"{hub.endpoint}/me/intents" in out


def test_without_a_terminal_and_without_yes_nothing_is_sent(hub, run, command, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, error = command("push", run, "me/intents")
    assert code == 2
    assert "--yes" in error
    assert not write_requests(hub)


# --- trained adapters ----------------------------------------------------------------------------------------


@pytest.fixture
def adapter(tmp_path, checkpoint) -> Path:
    return write_adapter_run(tmp_path / "adapter", checkpoint("bert"))


def test_an_adapter_on_a_local_base_is_refused_with_both_ways_out(hub, adapter, checkpoint, command):
    code, _, error = command("push", adapter, "me/adapter", "--yes")
    assert code == 2
    assert f"hf upload OWNER/BASE {checkpoint('bert')}" in error
    assert "--base OWNER/BASE" in error
    assert f"ftkit merge {adapter} OUT" in error
    assert not write_requests(hub)


def test_an_adapter_names_the_base_that_was_pushed(hub, adapter, checkpoint):
    commit = hub.add_repo("me/base", {file.name: file.read_bytes() for file in checkpoint("bert").iterdir()})
    ftkit.push(adapter, "me/adapter", base="me/base")
    files = hub.files("me/adapter")
    saved = json.loads(files["adapter_config.json"])
    assert (saved["base_model_name_or_path"], saved["revision"]) == ("me/base", commit)
    text = files["ftkit.yaml"].decode()
    assert "checkpoint: me/base" in text
    assert str(checkpoint("bert")) not in text
    assert files["adapter_model.safetensors"] == (adapter / "adapter_model.safetensors").read_bytes()
    assert "model.safetensors" not in files


def test_another_base_is_refused(hub, adapter, checkpoint):
    other = {file.name: file.read_bytes() for file in checkpoint("bert").iterdir()}
    other["model.safetensors"] = other["model.safetensors"][:-1] + b"\x00"
    hub.add_repo("me/base", other)
    with pytest.raises(ftkit.UserError, match="is not the base of this adapter") as caught:
        ftkit.push(adapter, "me/adapter", base="me/base")
    assert f"hf upload me/base {checkpoint('bert')}" in str(caught.value)
    assert not write_requests(hub)


def test_a_whole_model_needs_no_base(hub, run):
    with pytest.raises(ftkit.UserError, match="needs no base"):
        ftkit.push(run, "me/intents", base="me/base")


def test_a_base_that_is_gone_here_is_compared_with_the_one_on_the_hub(hub, checkpoint, tmp_path):
    base = Path(shutil.copytree(checkpoint("bert"), tmp_path / "base"))
    run = write_adapter_run(tmp_path / "adapter", base)
    content = {file.name: file.read_bytes() for file in base.iterdir()}
    shutil.rmtree(base)
    commit = hub.add_repo("me/base", content)
    ftkit.push(run, "me/adapter", base="me/base")
    assert json.loads(hub.files("me/adapter")["adapter_config.json"])["revision"] == commit
    hub.add_repo("me/other", {**content, "model.safetensors": content["model.safetensors"][:-1] + b"\x00"})
    with pytest.raises(ftkit.UserError, match="is not the base of the adapter"):
        ftkit.push(run, "me/adapter", base="me/other")
