"""A whole run on a tiny checkpoint: what it leaves on disk, and whether strangers agree with it."""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import fresh
import ftkit
from ftkit.engine import checkpoints
from runs import SETTINGS, TEXTS, run_config, write_csv

LEARNING = {"train.num_train_epochs": 4}
"""As many as a run needs to learn something."""


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return ftkit.train(run_config(folder, checkpoint("bert"), **LEARNING))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_directory_is_as_documented(finished):
    names = {path.relative_to(finished.output_dir).as_posix() for path in finished.output_dir.rglob("*")}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "ftkit.yaml",
        "all_results.json",
        "predictions/validation.jsonl",
        "predictions/test.jsonl",
        "README.md",
        "report.json",
        "report.html",
        "checkpoints",
    } <= names
    assert not [name for name in names if name.endswith((".bin", ".tmp")) or ".unfinished" in name]


def test_results_are_flat_and_proven(finished):
    results = json.loads((finished.output_dir / "all_results.json").read_text(encoding="utf-8"))
    assert results == finished.metrics
    for key in ("train_loss", "train_runtime", "eval_accuracy", "eval_loss", "test_accuracy", "test_f1_macro"):
        assert isinstance(results[key], float)
    assert results["train_samples"] == 24
    assert results["test_samples"] == 8
    assert results["proof"]["reloaded_from_disk"] is True
    assert results["proof"]["same_predictions"] is True
    assert results["proof"]["max_difference"] <= 1e-5
    assert results["data"]["test"]["rows"] == 8
    assert len(results["data"]["train"]["fingerprint"]) == 64
    assert results["environment"]["packages"]["transformers"]


def test_predictions_are_keyed_by_row_in_input_order(finished):
    rows = lines(finished.output_dir / "predictions" / "test.jsonl")
    assert [row["id"] for row in rows] == [f"t{index}" for index in range(8)]
    for row in rows:
        assert set(row["scores"]) == {"card", "food", "sport", "weather"}
        assert row["label"] == max(row["scores"], key=row["scores"].get)
        assert row["score"] == row["scores"][row["label"]]
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_sklearn_reproduces_the_score_from_the_files(finished):
    from sklearn.metrics import accuracy_score, f1_score

    predicted = [row["label"] for row in lines(finished.output_dir / "predictions" / "test.jsonl")]
    expected = [label for _, label in TEXTS[24:]]
    assert finished.metrics["test_accuracy"] == pytest.approx(accuracy_score(expected, predicted))
    assert finished.metrics["test_f1_macro"] == pytest.approx(
        f1_score(expected, predicted, average="macro", labels=["card", "food", "sport", "weather"], zero_division=0)
    )


STRANGER = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
folder, texts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
with torch.inference_mode():
    logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
labels = [row["label"] for row in pipeline("text-classification", model=model, tokenizer=tokenizer)(texts)]
assert not [name for name in sys.modules if name.startswith("ftkit")]
print(json.dumps({"scores": logits.softmax(-1).tolist(), "labels": labels, "names": model.config.id2label}))
"""


def test_plain_transformers_gives_the_same(finished):
    texts = [text for text, _ in TEXTS[24:]]
    done = fresh.python("-c", STRANGER, finished.output_dir, json.dumps(texts))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    rows = lines(finished.output_dir / "predictions" / "test.jsonl")
    assert found["names"] == {"0": "card", "1": "food", "2": "sport", "3": "weather"}
    assert found["labels"] == [row["label"] for row in rows]
    np.testing.assert_allclose(found["scores"], [list(row["scores"].values()) for row in rows], atol=1e-5)


def test_the_run_learnt_something(finished):
    assert finished.metrics["eval_accuracy"] > 0.5, "four labels: chance is 0.25"


def test_load_predicts_and_evaluates_like_the_run(finished, tmp_path):
    run = ftkit.load(finished.output_dir)
    rows = lines(finished.output_dir / "predictions" / "test.jsonl")
    predictions = run.predict([text for text, _ in TEXTS[24:]])
    assert [row["label"] for row in predictions] == [row["label"] for row in rows]
    write_csv(tmp_path / "again.csv", TEXTS[24:])
    again = run.evaluate(str(tmp_path / "again.csv"))
    assert again["accuracy"] == finished.metrics["test_accuracy"]
    assert again["loss"] == pytest.approx(finished.metrics["test_loss"], abs=1e-6)
    streamed = list(run.predict_source(str(tmp_path / "again.csv")))
    assert [row["label"] for row in streamed] == [row["label"] for row in rows]
    assert [row["id"] for row in streamed] == [f"t{index}" for index in range(8)]


def test_a_run_can_be_moved(finished, tmp_path):
    import shutil

    moved = shutil.copytree(finished.output_dir, tmp_path / "elsewhere")
    assert ftkit.load(moved).predict(["my card was lost"]) == ftkit.load(finished.output_dir).predict(
        ["my card was lost"]
    )


def test_the_speed_counts_the_rows_that_were_trained_on(checkpoint, tmp_path):
    settings = {"train.max_steps": 3, "train.per_device_train_batch_size": 6, "train.eval_strategy": "no"}
    metrics = ftkit.train(run_config(tmp_path, checkpoint("bert"), **settings)).metrics
    assert metrics["num_steps"] == 3
    assert metrics["train_samples_per_second"] * metrics["train_runtime"] == pytest.approx(3 * 6, rel=0.01)


def test_the_same_config_gives_the_same_weights(finished, checkpoint, tmp_path):
    again = ftkit.train(run_config(tmp_path, checkpoint("bert"), **LEARNING))
    one, other = (run.output_dir / "model.safetensors" for run in (finished, again))
    assert one.read_bytes() == other.read_bytes()


def test_a_run_resumed_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    finished, checkpoint, tmp_path, monkeypatch
):
    settings = {"train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    config = run_config(tmp_path / "whole", checkpoint("bert"), **settings)
    whole = ftkit.train(config).output_dir / "model.safetensors"

    config = run_config(tmp_path / "killed", checkpoint("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", _interrupt_at("checkpoint-4"))
        ftkit.train(config)
    killed = Path(config["output_dir"])
    assert not (killed / "all_results.json").exists()
    with pytest.raises(ftkit.ConfigError, match="holds a started run.*resume=false overwrite=true replaces it"):
        ftkit.train(config, {"resume": False})
    moved = killed.rename(tmp_path / "elsewhere")
    resumed = ftkit.train(config, {"output_dir": str(moved)}).output_dir / "model.safetensors"
    assert resumed.read_bytes() == whole.read_bytes()


def _interrupt_at(name):
    def rotate(folder, **_):
        if (folder / name).is_dir():
            raise KeyboardInterrupt

    return rotate


def test_a_damaged_checkpoint_is_passed_over(checkpoint, tmp_path, monkeypatch, capsys):
    settings = {"train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    config = run_config(tmp_path, checkpoint("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", _interrupt_at("checkpoint-4"))
        ftkit.train(config)
    weights = Path(config["output_dir"]) / "checkpoints" / "checkpoint-4" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # one flipped bit loads without complaint in plain transformers
    weights.write_bytes(bytes(content))
    ftkit.train(config, {"resume": True})
    told = capsys.readouterr().err
    assert "checkpoint-4: model.safetensors has changed since it was saved" in told
    assert "going on from" in told
    assert "checkpoint-2" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train.learning_rate": 1e-5}, "holds a started run, with other settings: train.learning_rate was"),
        ({"data.test": None}, "data.test was"),
    ],
)
def test_another_config_does_not_resume(checkpoint, tmp_path, monkeypatch, change, message):
    config = run_config(
        tmp_path,
        checkpoint("bert"),
        **{"train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"},
    )
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", _interrupt_at("checkpoint-2"))
        ftkit.train(config)
    with pytest.raises(ftkit.ConfigError, match=message):
        ftkit.train(config, {"resume": True, **change})
    write_csv(tmp_path / "test.csv", TEXTS[:8])
    with pytest.raises(ftkit.ConfigError, match="data of test has changed since it was started"):
        ftkit.train(config, {"resume": True})


def test_a_finished_run_is_left_as_it_is_by_the_same_command(checkpoint, tmp_path, capsys):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 2})
    first = ftkit.train(config)
    files = {path: path.stat().st_mtime_ns for path in first.output_dir.rglob("*") if path.is_file()}
    for settings in ({}, {"resume": True}):
        again = ftkit.train(config, settings)
        assert again.metrics == json.loads((first.output_dir / "all_results.json").read_text())
        assert "holds this run, finished: nothing is left to do" in " ".join(capsys.readouterr().err.split())
    assert {path: path.stat().st_mtime_ns for path in first.output_dir.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resume": False}, "already holds a finished run.*overwrite=true replaces it"),
        ({"resume": True, "overwrite": True}, "exclude one another"),
        ({"train.learning_rate": 1e-5}, "already holds a finished run, with other settings: train.learning_rate was"),
        ({"data.train": "p" * 5000}, r"data.train was '.{,80}', is 'p{76}\.\.\.\. A run that"),
        ({"train.num_train_epochs": 9}, "num_train_epochs was 4.*, is 9.*To train further from its weights: model"),
    ],
)
def test_a_finished_run_is_not_another_run(finished, checkpoint, change, message):
    config = run_config(finished.output_dir.parent, checkpoint("bert"), **LEARNING)
    with pytest.raises(ftkit.ConfigError, match=message):
        ftkit.train(config, change)


def test_a_finished_run_whose_data_has_changed_is_another_run(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1})
    ftkit.train(config)
    write_csv(tmp_path / "validation.csv", TEXTS[:8])
    with pytest.raises(ftkit.ConfigError, match="data of validation has changed since it was started"):
        ftkit.train(config)


@pytest.mark.parametrize("left", [(), ("checkpoints",), ("checkpoints/data.json", ".ftkit.yaml.0123abcd.tmp")])
def test_what_a_kill_leaves_at_the_very_start_is_no_obstacle(checkpoint, tmp_path, left):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1})
    folder = Path(config["output_dir"])
    folder.mkdir()
    for name in left:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{") if "." in path.name else path.mkdir()
    assert ftkit.train(config).metrics["num_steps"] == 1


def test_a_run_without_a_whole_checkpoint_begins_at_its_first_step(checkpoint, tmp_path, monkeypatch, capsys):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 3})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", _interrupt_at("checkpoint-3"))
        ftkit.train(config)
    (manifest,) = Path(config["output_dir"]).rglob("manifest.json")
    manifest.write_text("{}")
    assert ftkit.train(config).metrics["num_steps"] == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "manifest.json lists no trainer_state.json" in told
    assert "is whole: the run begins at its first step" in told


@pytest.mark.usefixtures("signals_are_not_ignored")
def test_a_signal_ends_the_command_with_75_and_the_same_command_goes_on(checkpoint, tmp_path, monkeypatch, capsys):
    from ftkit import cli

    whole = ftkit.train(run_config(tmp_path / "whole", checkpoint("bert"))).output_dir / "model.safetensors"
    config = run_config(tmp_path, checkpoint("bert"))
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    monkeypatch.setattr(sys, "argv", ["ftkit", "train", str(tmp_path / "config.yaml")])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(checkpoints, "rotate", lambda *_, **__: os.kill(os.getpid(), signal.SIGUSR1))
        cli.main()
    assert ended.value.code == 75
    told = capsys.readouterr().err
    assert "Interrupted by SIGUSR1 after step 3 of 6, which is saved. The same command goes on with the run." in told
    assert "Traceback" not in told
    with contextlib.suppress(SystemExit):
        cli.main()
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == whole.read_bytes()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    config = {**SETTINGS, "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": str(tmp_path)}
    with pytest.raises(ftkit.ConfigError, match="is not empty, and what it holds is not a run"):
        ftkit.train(config, {"overwrite": True})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_loss_that_is_not_a_number_ends_the_run(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.learning_rate": 1e30, "train.max_grad_norm": 0.0})
    with pytest.raises(ftkit.RunError, match="NaN or infinite.*learning_rate"):
        ftkit.train(config)
    assert not (Path(config["output_dir"]) / "all_results.json").exists()
    assert not list(Path(config["output_dir"]).glob("checkpoints/*/manifest.json"))


def test_a_model_that_reloads_otherwise_is_not_a_finished_run(checkpoint, tmp_path, monkeypatch):
    from transformers import BertForSequenceClassification

    save = BertForSequenceClassification.save_pretrained

    def save_a_damaged_head(self, folder, **kwargs):
        if ".unfinished" in str(folder):
            self.classifier.weight.data *= 1.1
            save(self, folder, **kwargs)
            self.classifier.weight.data /= 1.1
        else:
            save(self, folder, **kwargs)

    monkeypatch.setattr(BertForSequenceClassification, "save_pretrained", save_a_damaged_head)
    config = run_config(tmp_path, checkpoint("bert"))
    with pytest.raises(ftkit.RunError, match="The proof failed"):
        ftkit.train(config)
    assert not (Path(config["output_dir"]) / "all_results.json").exists()


def test_predictions_that_the_saved_model_does_not_make_are_no_finished_run(checkpoint, tmp_path, monkeypatch):
    from ftkit.runs import steps

    evaluate_split = steps.evaluate_split

    def by_other_weights(run, model, adapter, name, *arguments, **options):
        found = evaluate_split(run, model, adapter, name, *arguments, **options)
        path = run.directory.staging / "predictions" / f"{name}.jsonl"
        lines = path.read_text().splitlines(keepends=True)
        if name == "test":  # of the last row, as if another rank had computed it
            row = json.loads(lines[-1])
            row["scores"] = {label: score * 0.999 for label, score in row["scores"].items()}
            lines[-1] = json.dumps(row) + "\n"
        path.write_text("".join(lines))
        return found

    monkeypatch.setattr(steps, "evaluate_split", by_other_weights)
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    with pytest.raises(ftkit.RunError, match=r"1 of 8 rows of predictions/test.jsonl are not what.*row 8 is"):
        ftkit.train(config)
    assert not (Path(config["output_dir"]) / "all_results.json").exists()
