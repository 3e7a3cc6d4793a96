"""Ids in the place of folders, and `ftkit pull`: from the Hub, from the cache without it, and never any code."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest
from huggingface_hub import ModelCard

import ftkit
from adapter_runs import write_adapter_run
from ftkit.models.repository import Repository, parse_repository
from plain import NAMES, plain, saved
from runs import NAMES as TOPICS
from runs import TEXTS, run_config
from tiny import EXAMPLES

SAMPLE = [text for text, _ in TEXTS[24:]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("me/intents", Repository("me/intents")),
        ("me/intents@v2", Repository("me/intents", "v2")),
        ("me/intents@refs/pr/3", Repository("me/intents", "refs/pr/3")),
        ("bert-base-uncased@main", Repository("bert-base-uncased", "main")),
        ("here/x", None),  # a folder `here` is there
        ("here/x@main", Repository("here/x", "main")),
        ("intents", None),
        ("./me/intents", None),
        ("/me/intents", None),
        ("~/intents", None),
        ("a/b/c", None),
        ("me\\intents", None),
        ("me/in--tents", None),
        ("me/..", None),
        ("me/intents@", None),
        ("me/intents@a b", None),
    ],
)
def test_what_a_name_means(tmp_path, monkeypatch, name, expected):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_repository(name) == expected


def test_a_folder_wins(tmp_path, monkeypatch):
    (tmp_path / "me" / "intents").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse_repository("me/intents") is None


@pytest.fixture
def pushed(hub, run):
    """The run, at me/intents."""
    ftkit.push(run, "me/intents")
    return run


def test_prediction_by_id_is_that_of_the_run(hub, pushed):
    assert ftkit.load("me/intents").predict(SAMPLE) == ftkit.load(pushed).predict(SAMPLE)


def test_the_cache_serves_without_network(hub, pushed):
    expected = ftkit.load("me/intents").predict(SAMPLE)
    del hub.requests[:]
    with mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True):
        assert ftkit.load("me/intents").predict(SAMPLE) == expected
    assert not hub.requests


def test_a_hub_that_is_down_is_replaced_by_the_cache(hub, pushed):
    expected = ftkit.load("me/intents").predict(SAMPLE)
    hub.fail("*", ".", status=503)
    assert ftkit.load("me/intents").predict(SAMPLE) == expected


@pytest.mark.usefixtures("no_network")
def test_without_network_and_without_cache(command):
    code, _, error = command("predict", "me/intents", "--text", "a")
    assert code == 1
    assert "HF_HUB_OFFLINE" in error
    assert "Traceback" not in error


def test_a_revision_is_the_one_that_was_named(hub, pushed):
    first = hub.commits("me/intents")[0].sha
    config = json.loads((pushed / "config.json").read_text())
    config["id2label"] = {key: f"new {value}" for key, value in config["id2label"].items()}
    config["label2id"] = {value: int(key) for key, value in config["id2label"].items()}
    (pushed / "config.json").write_text(json.dumps(config))
    ftkit.push(pushed, "me/intents")
    assert ftkit.load("me/intents").predict(SAMPLE[:1])[0]["label"].startswith("new ")
    assert not ftkit.load(f"me/intents@{first}").predict(SAMPLE[:1])[0]["label"].startswith("new ")


def test_evaluate_by_id(hub, pushed, command, tmp_path):
    accuracy = json.loads((pushed / "all_results.json").read_text())["test_accuracy"]
    data = ftkit.load_config(pushed / "ftkit.yaml").data.test
    code, out, error = command("evaluate", "me/intents", "--data", data)
    assert code == 0, error
    assert json.loads(out)["accuracy"] == pytest.approx(accuracy)


def test_a_report_is_not_written_into_the_cache(hub, pushed, command):
    code, _, error = command("report", "me/intents")
    assert code == 2
    assert "ftkit pull me/intents OUT" in error


@pytest.mark.parametrize("verb", ["predict", "evaluate", "merge", "export", "pull"])
def test_a_repository_that_is_not_there(hub, command, tmp_path, verb):
    more = {"predict": ["--text", "a"], "evaluate": ["--data", "x.csv"]}.get(verb, [tmp_path / "out"])
    code, _, error = command(verb, "me/nothing", *more)
    assert code == 2
    assert "no model repository 'me/nothing'" in error
    assert not (tmp_path / "out").exists()


def test_a_revision_that_is_not_there(hub, pushed, command):
    code, _, error = command("predict", "me/intents@v9", "--text", "a")
    assert code == 2
    assert "no revision 'v9'" in error


def test_a_misspelt_path_asks_no_network(hub, command, tmp_path, monkeypatch):
    (tmp_path / "runs" / "intents").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    code, _, error = command("predict", "runs/intent", "--text", "a")
    assert code == 2
    assert "Did you mean 'intents'?" in error
    assert "runs/intent@main" in error
    assert not hub.requests


def test_what_is_no_model(hub, command):
    hub.add_repo("me/pictures", {"a.png": b"1", "README.md": b"# pictures"})
    code, _, error = command("predict", "me/pictures", "--text", "a")
    assert code == 2
    assert "is no model" in error


# --- pull ----------------------------------------------------------------------------------------------------


def test_pull_copies_what_was_pushed(hub, pushed, command, tmp_path):
    code, out, error = command("pull", "me/intents", tmp_path / "copy")
    assert code == 0, error
    assert f"ftkit predict {tmp_path / 'copy'}" in out
    files = hub.files("me/intents")
    found = {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()}
    assert found == {name: content for name, content in files.items() if name != ".gitattributes"}
    assert ftkit.load(tmp_path / "copy").predict(SAMPLE) == ftkit.load(pushed).predict(SAMPLE)


def test_pull_fetches_no_code(hub, pushed, tmp_path):
    hub.add_commit("me/intents", {"evil.py": b"raise SystemExit", "pytorch_model.bin": b"pickle", "x/evil.pkl": b"0"})
    folder = ftkit.pull("me/intents", tmp_path / "copy")
    assert not [path for path in folder.rglob("*") if path.suffix in (".py", ".bin", ".pkl")]
    assert not [request for request in hub.requests if request.path.endswith((".py", ".bin", ".pkl"))]


def test_pull_leaves_a_full_folder_alone(hub, pushed, command, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    code, _, error = command("pull", "me/intents", tmp_path / "mine")
    assert code == 2
    assert "not empty" in error
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["a.txt"]


def test_a_pull_that_breaks_leaves_nothing_and_goes_on(hub, pushed, command, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.fail("GET", "/resolve/.*/model.safetensors", cut_after=1000)
    code, _, error = command("pull", "me/intents", tmp_path / "copy")
    assert code == 1
    assert "same command again" in error
    assert not (tmp_path / "copy").exists()
    hub.recover()
    assert command("pull", "me/intents", tmp_path / "copy")[0] == 0
    weights = (pushed / "model.safetensors").read_bytes()
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == weights


# --- checkpoints and adapters by id --------------------------------------------------------------------------


def test_a_run_starts_from_a_pushed_one(hub, pushed, tmp_path, checkpoint):
    config = run_config(tmp_path / "next", Path("me/intents@main"), **{"train.num_train_epochs": 1})
    result = ftkit.train(config)
    card = (result.output_dir / "README.md").read_text()
    assert "base_model: me/intents" in card
    assert result.metrics["num_steps"] == 3


def test_two_revisions_are_one_too_many(hub, pushed, tmp_path, command):
    config = run_config(tmp_path / "next", Path("me/intents@main"), **{"model.revision": "v2"})
    with pytest.raises(ftkit.UserError, match="Say one"):
        ftkit.train(config)


@pytest.fixture
def pushed_adapter(hub, checkpoint, tmp_path):
    """A trained adapter at me/adapter, on a base at me/base."""
    hub.add_repo("me/base", {file.name: file.read_bytes() for file in checkpoint("bert").iterdir()})
    adapter = write_adapter_run(tmp_path / "adapter", checkpoint("bert"))
    ftkit.push(adapter, "me/adapter", base="me/base")
    return adapter


def test_an_adapter_by_id_finds_its_base(hub, pushed_adapter):
    expected = ftkit.load(pushed_adapter).predict(SAMPLE)
    found = ftkit.load("me/adapter").predict(SAMPLE)
    assert [row["label"] for row in found] == [row["label"] for row in expected]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-6)


def test_an_adapter_keeps_the_base_that_it_was_trained_on(hub, pushed_adapter, checkpoint):
    """A base that changes on the Hub later is another base: the adapter names the commit of its own."""
    expected = ftkit.load("me/adapter").predict(SAMPLE)
    weights = bytearray((checkpoint("bert") / "model.safetensors").read_bytes())
    weights[-4000:] = b"\x00" * 4000
    hub.add_commit("me/base", {"model.safetensors": bytes(weights)})
    assert ftkit.load("me/adapter").predict(SAMPLE) == expected


def test_an_adapter_is_merged_by_id(hub, pushed_adapter, tmp_path, command):
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f'"{text}",card\n' for text in SAMPLE))
    code, _, error = command("merge", "me/adapter", tmp_path / "merged", "--data", tmp_path / "rows.csv")
    assert code == 0, error
    expected = ftkit.load(pushed_adapter).predict(SAMPLE)
    found = ftkit.load(tmp_path / "merged").predict(SAMPLE)
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-5)


def test_an_adapter_is_no_checkpoint(hub, pushed_adapter, tmp_path):
    config = run_config(tmp_path / "next", Path("me/adapter"))
    with pytest.raises(ftkit.CheckpointError, match="holds a trained adapter") as caught:
        ftkit.train(config)
    assert "model.adapter" in str(caught.value)


def test_pickled_weights_on_the_hub_are_refused_before_training(hub, tmp_path, checkpoint):
    files = {file.name: file.read_bytes() for file in checkpoint("bert").iterdir()}
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    hub.add_repo("you/old", files)
    with pytest.raises(ftkit.CheckpointError, match="pickled"):
        ftkit.train(run_config(tmp_path / "next", Path("you/old")))
    assert not (tmp_path / "next" / "run").exists()


# --- what ftkit did not make ---------------------------------------------------------------------------------


def test_somebody_s_classifier_is_scored_by_its_id(hub, checkpoint, tmp_path, command):
    folder = saved("SequenceClassification", checkpoint("bert"), tmp_path / "theirs", NAMES)
    hub.add_repo("you/topics", {file.name: file.read_bytes() for file in folder.iterdir()})
    texts = [text for text, _ in EXAMPLES]
    rows = [(text, TOPICS.get(label, label)) for text, label in EXAMPLES]
    (tmp_path / "rows.csv").write_text("body,topic\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    asked = ["--data", tmp_path / "rows.csv", "--columns", "text=body,label=topic", "--task", "text-classification"]
    code, out, error = command("evaluate", "you/topics", *asked)
    assert code == 0, error
    model, tokenizer = plain(folder, "SequenceClassification")
    predicted = [NAMES[int(model(**tokenizer(text, return_tensors="pt")).logits.argmax())] for text in texts]
    right = sum(name == label for name, (_, label) in zip(predicted, rows, strict=True))
    assert json.loads(out)["accuracy"] == pytest.approx(right / len(rows))
    assert [row["label"] for row in ftkit.load("you/topics").predict(texts)] == predicted


def test_training_goes_on_from_an_adapter_by_id(hub, pushed_adapter, tmp_path):
    settings = {"model.adapter": "me/adapter", "tuner": {"method": "lora"}, "train.num_train_epochs": 1}
    config = run_config(tmp_path / "next", Path("me/base"), **settings)
    result = ftkit.train(config)
    base = ftkit.load_config(result.output_dir / "ftkit.yaml").run.base
    assert (base.path, base.commit) == ("me/base", hub.commits("me/base")[0].sha)
    assert base.fingerprint is None
    assert ftkit.push(result.output_dir, "me/adapter-2").repo_id == "me/adapter-2", "its base is on the Hub already"
    assert json.loads(hub.files("me/adapter-2")["adapter_config.json"])["base_model_name_or_path"] == "me/base"
    card = ModelCard(hub.files("me/adapter-2")["README.md"].decode())
    assert (card.data.base_model, card.data.base_model_relation) == ("me/base", "adapter")
    card.validate()


def test_a_bank_takes_ids(hub, pushed_adapter):
    bank = ftkit.AdapterBank(device="cpu")
    bank.add("theirs", "me/adapter")
    found = bank.predict([ftkit.Request("theirs", text) for text in SAMPLE])
    assert [row["label"] for row in found] == [row["label"] for row in ftkit.load(pushed_adapter).predict(SAMPLE)]


@pytest.mark.parametrize("change", ["README.md", "model.safetensors"])
def test_a_bank_takes_a_base_that_changed_in_all_but_its_weights(hub, pushed_adapter, checkpoint, tmp_path, change):
    weights = bytearray((checkpoint("bert") / "model.safetensors").read_bytes())
    weights[-4000:] = b"\x00" * 4000
    hub.add_commit("me/base", {change: b"# Base" if change == "README.md" else bytes(weights)})
    settings = {"tuner": {"method": "lora"}, "train.num_train_epochs": 1}
    later = ftkit.train(run_config(tmp_path / "later", Path("me/base"), **settings))
    bank = ftkit.AdapterBank(device="cpu")
    bank.add("first", "me/adapter")
    if change == "README.md":
        bank.add("later", later.output_dir)
        found = bank.predict([("later", SAMPLE[0])])
        assert found[0]["label"] == ftkit.load(later.output_dir).predict(SAMPLE[:1])[0]["label"]
    else:
        with pytest.raises(ftkit.CheckpointError, match="which holds other weights"):
            bank.add("later", later.output_dir)


def test_export_by_id_and_an_export_on_the_hub(hub, pushed, tmp_path, command):
    rows = ftkit.load_config(pushed / "ftkit.yaml").data.test
    code, _, error = command("export", "me/intents", tmp_path / "onnx", "--data", rows)
    assert code == 0, error
    ftkit.push(tmp_path / "onnx", "me/onnx")
    assert "model.onnx" in hub.files("me/onnx")
    assert "model.safetensors" not in hub.files("me/onnx")
    found = ftkit.load("me/onnx").predict(SAMPLE)
    assert [row["label"] for row in found] == [row["label"] for row in ftkit.load(pushed).predict(SAMPLE)]
