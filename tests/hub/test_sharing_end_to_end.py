"""A run with `push` in its config, and what others find there: plain transformers and peft, without ftkit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ftkit
from local_hub import LocalHub, User
from runs import run_config

CANARIES = {
    "HF_TOKEN": "hf_canaryCanaryCanaryCanaryCanaryCan1",
    "WANDB_API_KEY": "c4na7yc4na7yc4na7yc4na7yc4na7yc4na7y0000",
    "in .git-credentials": "hf_gitCredentialsCanaryGitCredential2",
}

OUTSIDER = """
import contextlib, io, json, sys
assert not [name for name in sys.modules if name.startswith("ftkit")]
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

texts = json.loads(sys.argv[1])
classify = pipeline("text-classification", model="me/full")
whole = [(row["label"], row["score"]) for row in classify(texts)]

from peft import PeftModel

tokenizer = AutoTokenizer.from_pretrained("me/adapter")
config = AutoConfig.from_pretrained("me/adapter")
base = AutoModelForSequenceClassification.from_pretrained("me/base", config=config)
model = PeftModel.from_pretrained(base, "me/adapter").eval()
adapted = []
for text in texts:
    with torch.no_grad():
        probabilities = model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0]
    adapted.append((config.id2label[int(probabilities.argmax())], float(probabilities.max())))
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    exec(sys.argv[2])
assert not [name for name in sys.modules if name.startswith("ftkit")]
print(json.dumps({"whole": whole, "adapted": adapted, "by the card": printed.getvalue()}))
"""


def test_others_reproduce_the_predictions_without_ftkit(hub, finished, python, checkpoint, tmp_path):
    """From the files with code of their own, and with the code of the card that was pushed, as it stands."""
    hub.add_repo("me/base", {file.name: file.read_bytes() for file in checkpoint("bert").iterdir()})
    settings = {"tuner": {"method": "lora"}, "train.num_train_epochs": 2}
    adapter = ftkit.train(run_config(tmp_path / "lora", checkpoint("bert"), **settings))
    ftkit.push(finished, "me/full")
    adapter.push("me/adapter", base="me/base")
    texts = [row["text"] for row in rows(finished)]
    card = hub.files("me/full")["README.md"].decode()
    code = card.partition("```python\n")[2].partition("```")[0]
    assert "me/full" in code
    found = json.loads(python(hub, "-c", OUTSIDER, json.dumps(texts), code))
    for key, run in (("whole", finished), ("adapted", adapter.output_dir)):
        expected = [json.loads(line) for line in (run / "predictions" / "test.jsonl").read_text().splitlines()]
        assert [label for label, _ in found[key]] == [row["label"] for row in expected]
        assert [score for _, score in found[key]] == pytest.approx([row["score"] for row in expected], abs=1e-5)
    labels = json.loads((finished / "config.json").read_text())["id2label"].values()
    assert any(label in found["by the card"] for label in labels), found["by the card"]


def rows(run: Path) -> list[dict[str, str]]:
    import csv

    with Path(str(ftkit.load_config(run / "ftkit.yaml").data.test)).open(newline="") as file:
        return list(csv.DictReader(file))


# Commands one after another in one process, each with what it returns and writes to standard output and error.
COMMANDS = """
import contextlib, io, json, sys
from ftkit.cli import main

done = []
for arguments in json.loads(sys.argv[1]):
    sys.argv, out, err = ["ftkit", *arguments], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stopped:
            done.append((stopped.code or 0, out.getvalue(), err.getvalue()))
print(json.dumps(done))
"""


@pytest.fixture(scope="module")
def pushed_by_config(tmp_path_factory, checkpoint):
    """Everything that training with `push` in the config left behind: the Hub, the run, the screen."""
    place = tmp_path_factory.mktemp("canary")
    home = place / "home"
    home.mkdir()
    secret = CANARIES["in .git-credentials"]
    (home / ".git-credentials").write_text(f"https://me:{secret}@huggingface.co\n")
    (home / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    config = run_config(place, checkpoint("bert"), **{"train.num_train_epochs": 1, "train.report_to": ["tensorboard"]})
    config["push"] = {"repo_id": "me/by-config", "private": True}
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    with LocalHub(tokens={CANARIES["HF_TOKEN"]: User("me")}) as server:
        variables = {name: value for name, value in CANARIES.items() if name.isidentifier()}
        environment = {**os.environ, **server.environment, **variables, "HOME": str(home), "HF_HOME": str(home / "hf")}
        environment["WANDB_MODE"] = "offline"
        commands = [["check", "config.yaml"], ["train", "config.yaml"], ["pull", "me/by-config", "copy"]]
        process = subprocess.run(
            [sys.executable, "-c", COMMANDS, json.dumps(commands)],
            cwd=place,
            env=environment,
            text=True,
            capture_output=True,
        )
        assert process.returncode == 0, process.stderr
        done = [*json.loads(process.stdout.splitlines()[-1]), (0, process.stdout, process.stderr)]
        yield server, place, done


def test_a_config_pushes_after_the_proof(pushed_by_config):
    server, place, done = pushed_by_config
    assert [code for code, _, _ in done] == [0, 0, 0, 0], [err for _, _, err in done]
    assert f"{server.endpoint}/me/by-config" in done[1][1]
    files = server.files("me/by-config")
    assert server.repository("me/by-config").private
    assert files["model.safetensors"] == (place / "run" / "model.safetensors").read_bytes()
    assert json.loads(files["all_results.json"])["proof"]["same_predictions"] is True
    assert (place / "copy" / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_canaries_are_in_no_file_no_line_and_no_request_body(pushed_by_config):
    server, place, done = pushed_by_config
    bodies = [request.body for request in server.requests]
    files = [path for path in place.rglob("*") if path.is_file() and path.name != ".git-credentials"]
    assert len(bodies) > 10
    assert any(path.name.startswith("events.out") for path in files), "the tracker wrote something too"
    for name, canary in CANARIES.items():
        for _, out, err in done:
            assert canary not in out + err, name
        assert not [path for path in files if canary.encode() in path.read_bytes()], name
        assert not [body for body in bodies if canary.encode() in body], name
        assert not [content for content in server.files("me/by-config").values() if canary.encode() in content], name


def test_a_config_that_cannot_push_is_told_before_training(hub, tmp_path, checkpoint, command):
    config = run_config(tmp_path, checkpoint("bert"))
    config["push"] = {"repo_id": "you/intents"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for verb in ("check", "train"):
        code, _, error = command(verb, tmp_path / "config.yaml")
        assert code == 1
        assert "may not write to 'you'" in error
    assert not (tmp_path / "run").exists()


def test_an_adapter_on_a_local_base_is_told_before_training(hub, tmp_path, checkpoint):
    config = run_config(tmp_path, checkpoint("bert"), tuner={"method": "lora"}, push={"repo_id": "me/adapter"})
    with pytest.raises(ftkit.ConfigError, match=r"push\.base"):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()


def test_a_push_that_fails_after_training_leaves_a_finished_run(hub, tmp_path, checkpoint, command):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1}, push={"repo_id": "me/intents"})
    hub.fail("POST", "/api/repos/create", status=403)
    with pytest.raises(ftkit.HubError, match=r"ftkit push \S+ me/intents"):
        ftkit.train(config)
    assert (tmp_path / "run" / "all_results.json").is_file()
    hub.recover()
    assert command("push", tmp_path / "run", "me/intents", "--yes")[0] == 0
