"""Experiment trackers: what stands in them is what stands in `all_results.json`, and a run does not need them."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import pytest

import fresh
import ftkit
from ftkit.config import yaml as strict_yaml
from ftkit.config.train import TRACKERS
from ftkit.engine import checkpoints
from ftkit.engine.tracker_backends import BACKENDS, RunDescription, TensorBoard
from ftkit.engine.trackers import Trackers, flat_config, result_numbers, tracked_name
from runs import run_config
from tracker_stores import (
    calls,
    install_trackio,
    tensorboard_events,
    tensorboard_text,
    wandb_records,
    wandb_values,
)

CANARY = "canary0123456789abcdef0123456789abcdef0123"
SHORT = {"train.num_train_epochs": 2, "train.logging_steps": 2}
TIMES = ("runtime", "per_second", "seconds", "environment", "path")


@pytest.fixture(autouse=True, scope="module")
def surroundings(tmp_path_factory):
    """No tracker of a test reaches a network or the home folder, and secrets lie about."""
    folder = tmp_path_factory.mktemp("surroundings")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "TRACKIO_PROJECT", "TENSORBOARD_LOGGING_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_CACHE_DIR", str(folder / "wandb-cache"))
        patch.setenv("WANDB_API_KEY", CANARY)
        patch.setenv("HF_TOKEN", f"hf_{CANARY}")
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("MLFLOW_TRACKING_URI", (folder / "mlflow").as_uri())
        patch.setenv("FAKE_TRACKIO_FAILS", "")
        patch.trackio_log = install_trackio(folder, patch)
        patch.delitem(sys.modules, "trackio", raising=False)
        yield patch
        sys.modules.pop("trackio", None)


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory):
    return ftkit.train(run_config(tmp_path_factory.mktemp("plain"), checkpoint("bert"), **SHORT))


@pytest.fixture(scope="module")
def tracked(checkpoint, tmp_path_factory):
    trackers = {"train.report_to": ["tensorboard", "wandb", "mlflow", "trackio"], "train.run_name": "first"}
    return ftkit.train(run_config(tmp_path_factory.mktemp("tracked"), checkpoint("bert"), **SHORT, **trackers))


def expected_numbers(results):
    """What must stand in a tracker, told without ftkit's own words for it."""
    numbers = {
        "test/accuracy": results["test_accuracy"],
        "eval/f1_macro": results["eval_f1_macro"],
        "train/train_loss": results["train_loss"],
        "proof/max_difference": results["proof"]["max_difference"],
        "proof/same_predictions": 1.0,
        "data/test/rows": 8,
    }
    for key, value in results.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            split = next((split for split in ("eval", "test") if key.startswith(f"{split}_")), None)
            name = f"{split}/{key[5:]}" if split else f"train/{key}" if key.startswith("train_") else key
            numbers[name] = value
    assert len(numbers) > 25
    return numbers


def saved_results(run):
    return json.loads((run.output_dir / "all_results.json").read_text(encoding="utf-8"))


def mlflow_client():
    from mlflow import MlflowClient

    return MlflowClient()


def mlflow_run(output_dir):
    ids = json.loads((output_dir / "checkpoints" / "trackers.json").read_text())
    return mlflow_client().get_run(ids["mlflow"])


def weights(run):
    return (run.output_dir / "model.safetensors").read_bytes()


def test_a_run_is_the_same_with_trackers(plain, tracked):
    assert weights(tracked) == weights(plain)
    kept = [key for key in plain.metrics if not any(word in key for word in TIMES) and key != "data"]
    assert {key: tracked.metrics[key] for key in kept} == {key: plain.metrics[key] for key in kept}
    assert tracked.metrics.keys() == plain.metrics.keys()


def test_tensorboard_holds_curves_results_and_card(tracked):
    events = tensorboard_events(tracked.output_dir / "tensorboard")
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4, 6]
    assert [event.step for event in events.Scalars("eval/accuracy")][:2] == [3, 6]
    numbers = expected_numbers(saved_results(tracked))
    found = {name: events.Scalars(name)[-1].value for name in numbers}
    assert found == pytest.approx(numbers, rel=1e-6), "event files hold float32"
    assert "|train.learning_rate|0.005|" in tensorboard_text(events, "config")
    card = tensorboard_text(events, "model card")
    assert "report.html" in card
    assert f"Accuracy {tracked.metrics['test_accuracy']:.4f} on test" in card.replace("**", "")
    assert str(tracked.output_dir.parent) not in card
    assert not card.partition("\n")[2].lstrip().startswith("library_name"), "the card's metadata are not text"


def test_mlflow_holds_parameters_curves_results_and_report(tracked):
    run = mlflow_run(tracked.output_dir)
    assert run.info.run_name == "first"
    assert run.info.status == "FINISHED"
    assert mlflow_client().get_experiment(run.info.experiment_id).name == "ftkit"
    params = run.data.params
    assert params["train.learning_rate"] == "0.005"
    assert params["data.train"] == "train.csv", "a path's base name"
    assert params["data.test.fingerprint"] == tracked.metrics["data"]["test"]["fingerprint"]
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    assert tags["library"] == "ftkit"
    assert tags["task"] == "text-classification"
    assert tags["tuner"] == "full"
    assert tags["checkpoint"].startswith("tiny-bert")
    assert "mlflow.user" not in run.data.tags
    assert "mlflow.source.name" not in run.data.tags
    numbers = expected_numbers(saved_results(tracked))
    assert {name: run.data.metrics[name] for name in numbers} == pytest.approx(numbers, rel=1e-12)
    history = mlflow_client().get_metric_history(run.info.run_id, "train/loss")
    assert [metric.step for metric in history] == [2, 4, 6]
    assert [file.path for file in mlflow_client().list_artifacts(run.info.run_id)] == ["report.html"]
    import mlflow

    copy = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="report.html")
    assert Path(copy).read_bytes() == (tracked.output_dir / "report.html").read_bytes()


def test_wandb_offline_holds_config_curves_summary_and_report(tracked):
    (path,) = tracked.output_dir.glob("wandb/offline-run-*/run-*.wandb")
    records = list(wandb_records(path))
    (run,) = [record.run for record in records if record.HasField("run")]
    assert (run.project, run.display_name) == ("ftkit", "first")
    assert {"ftkit", "text-classification", "full"} <= set(run.tags)
    config = wandb_values(run.config.update)
    assert config["train.learning_rate"] == 0.005
    rows = [wandb_values(record.history.item) for record in records if record.HasField("history")]
    assert [row["_step"] for row in rows if "train/loss" in row] == [2, 4, 6]
    summary = {}
    for record in records:
        summary |= wandb_values(record.summary.update) if record.HasField("summary") else {}
    numbers = expected_numbers(saved_results(tracked))
    assert {name: summary[name] for name in numbers} == pytest.approx(numbers, rel=1e-12)
    (page,) = path.parent.glob("files/media/html/report*.html")
    assert page.read_bytes() == (tracked.output_dir / "report.html").read_bytes()
    assert str(tracked.output_dir.parent).encode() not in path.read_bytes()


def test_trackio_is_called_as_its_api_says(tracked, surroundings):
    (started,) = [call for call in calls(surroundings.trackio_log, "init") if call["name"] == "first"]
    assert started["project"] == "ftkit"
    assert started["private"] is True
    assert started["resume"] == "never"
    assert started["config"]["train.learning_rate"] == 0.005
    logged = calls(surroundings.trackio_log, "log")
    assert [call["step"] for call in logged if "train/loss" in call["metrics"]][:3] == [2, 4, 6]
    numbers = expected_numbers(saved_results(tracked))
    (last,) = [call for call in logged if call["metrics"].get("train/train_runtime") == numbers["train/train_runtime"]]
    assert {name: last["metrics"][name] for name in numbers} == pytest.approx(numbers, rel=1e-12)
    report = (tracked.output_dir / "report.html").read_text(encoding="utf-8")
    assert report in [call["content"] for call in calls(surroundings.trackio_log, "artifact")]


def test_no_secret_is_written(tracked):
    files = [path for path in tracked.output_dir.rglob("*") if path.is_file()]
    assert any("wandb" in path.parts for path in files)
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


@pytest.mark.parametrize("moment", ["the start", "step 4", "the end"])
def test_a_tracker_that_dies_is_one_warning(plain, checkpoint, tmp_path, command, monkeypatch, moment):
    monkeypatch.setenv("FAKE_TRACKIO_FAILS", moment)
    config = run_config(tmp_path, checkpoint("bert"), **SHORT, **{"train.report_to": ["trackio", "tensorboard"]})
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config))
    code, out, err = command("train", tmp_path / "run.yaml")
    assert code == 0
    assert "Trackio" not in out, "standard output is for the result"
    (warning,) = [line for line in err.splitlines() if line.startswith("warning:") and "trackio" in line]
    assert warning.endswith(f"goes on without it: RuntimeError: no trackio at {moment}")
    run = tmp_path / "run"
    assert (run / "model.safetensors").read_bytes() == weights(plain)
    results = json.loads((run / "all_results.json").read_text())
    assert results["test_loss"] == plain.metrics["test_loss"]
    assert results["proof"] == plain.metrics["proof"]
    events = tensorboard_events(run / "tensorboard")
    assert events.Scalars("test/loss")[-1].value == pytest.approx(results["test_loss"]), "the other one is well"


def test_a_resumed_run_continues_in_its_trackers(checkpoint, tmp_path, monkeypatch, surroundings):
    settings = {"train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    trackers = {"train.report_to": ["tensorboard", "mlflow", "trackio"], "train.run_name": "stopped"}
    config = run_config(tmp_path, checkpoint("bert"), **{**SHORT, "train.logging_steps": 1}, **settings, **trackers)

    def rotate(folder, **_):
        if (folder / "checkpoint-4").is_dir():
            for file in (folder / "checkpoint-4").iterdir():
                file.unlink()  # so that the run goes on from step 2, and steps 3 and 4 come again
            (folder / "checkpoint-4").rmdir()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", rotate)
        ftkit.train(config)
    stopped = mlflow_run(tmp_path / "run")
    assert stopped.info.status == "FAILED"
    run = ftkit.train(config, {"resume": True, "train.report_to": ["tensorboard", "mlflow", "trackio"]})
    resumed = mlflow_run(run.output_dir)
    assert resumed.info.run_id == stopped.info.run_id
    assert resumed.info.status == "FINISHED"
    assert resumed.data.metrics["test/accuracy"] == run.metrics["test_accuracy"]
    found = mlflow_client().search_runs([resumed.info.experiment_id], filter_string="run_name = 'stopped'")
    assert len(found) == 1
    events = tensorboard_events(run.output_dir / "tensorboard")
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert len(events.Tensors("config/text_summary")) == 1
    opened = [call["resume"] for call in calls(surroundings.trackio_log, "init") if call["name"] == "stopped"]
    assert opened == ["never", "allow"]
    assert calls(surroundings.trackio_log, "finish")


def test_mlflow_without_an_address_stays_in_the_run_directory(checkpoint, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    settings = {**SHORT, "train.num_train_epochs": 1, "train.report_to": "mlflow", "train.project": "mine"}
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), **settings))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "test.csv", "train.csv", "validation.csv"]
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run.output_dir}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("mine")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "run", "the run directory's name"
    assert found.data.metrics["test/accuracy"] == run.metrics["test_accuracy"]
    assert (run.output_dir / "mlflow" / "mlartifacts" / found.info.run_id / "artifacts" / "report.html").is_file()


def test_the_variable_of_tensorboard_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "logs"))
    backend = TensorBoard()
    backend.start(
        RunDescription(project="p", run_name="r", folder=tmp_path, stores=tmp_path, config={"a|b": "c"}, tags={}), None
    )
    backend.log({"train/loss": 0.5}, 3)
    backend.abandon()
    events = tensorboard_events(tmp_path / "logs")
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(3, 0.5)]
    assert tensorboard_text(events, "config").splitlines()[-1] == r"|a\|b|c|"
    assert not (tmp_path / "tensorboard").exists()


def test_names_are_those_of_the_ecosystem():
    from transformers.integrations.integration_utils import rewrite_logs

    keys = ("loss", "learning_rate", "epoch", "eval_accuracy", "eval_loss", "test_f1", "train_loss")
    assert {key: tracked_name(key) for key in keys} == {key: next(iter(rewrite_logs({key: 0}))) for key in keys}
    assert set(BACKENDS) == set(TRACKERS)


def test_results_become_numbers():
    results = {"test_f1": None, "eval_loss": math.nan, "precision": "fp32", "a": {"b": {"c": 2}, "d": False}, "n": [1]}
    assert result_numbers(results) == {"a/b/c": 2.0, "a/d": 0.0}


def test_a_config_becomes_flat_and_pathless():
    config = {
        "model": {"checkpoint": "/home/me/models/bert", "decoder": "owner/name"},
        "data": {"train": ["/data/a.csv", "b/c.csv"], "test": "C:\\data\\t.csv", "delimiter": "/"},
        "train": {"learning_rate": 1e-4, "betas": [0.9, 0.95], "class_weights": {"a b": 2.0}},
    }
    assert flat_config(config) == {
        "model.checkpoint": "bert",
        "model.decoder": "owner/name",
        "data.train": "a.csv, b/c.csv",
        "data.test": "t.csv",
        "data.delimiter": "/",
        "train.learning_rate": 1e-4,
        "train.betas": "0.9, 0.95",
        "train.class_weights.a b": 2.0,
    }


def test_a_password_in_an_address_is_not_told(capsys):
    class Dead:
        def log(self, values, step):
            raise OSError("cannot reach https://me:secret@mlflow.example/api")

    trackers = Trackers()
    trackers._open = {"mlflow": Dead()}
    trackers.log({"loss": 1.0}, 1)
    trackers.log({"loss": 1.0}, 2)
    told = capsys.readouterr().err
    assert told.count("mlflow failed") == 1
    assert "https://mlflow.example/api" in told
    assert "secret" not in told


def test_nothing_is_imported_for_a_run_without_trackers():
    program = (
        "import sys, ftkit.engine.training; "
        "print([name for name in ('wandb', 'mlflow', 'tensorboard', 'ftkit.engine.tracker_backends') "
        "if name in sys.modules])"
    )
    # It has imported transformers, and all that it imports.
    done = fresh.python("-c", program, env=fresh.ENVIRONMENT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("verb", ["train", "check"])
@pytest.mark.parametrize(
    ("report_to", "words"),
    [
        (
            "tensorbord",
            ["no tracker 'tensorbord'", "Did you mean 'tensorboard'?", "mlflow, tensorboard, trackio, wandb"],
        ),
        (["mlflow", "comet_ml"], ["no tracker 'comet_ml'"]),
        ("all", ["no tracker 'all'", "Name each"]),
        (["none", "wandb"], ["none and wandb contradict"]),
        ("trackio", ["trackio is not installed", "pip install 'ftkit[trackio]'"]),
    ],
)
def test_an_unknown_or_missing_tracker_is_told_before_anything_is_written(
    checkpoint, tmp_path, command, monkeypatch, verb, report_to, words
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trackio" else find_spec(name))
    (tmp_path / "run.yaml").write_text(
        strict_yaml.dump(run_config(tmp_path, checkpoint("bert"), **{"train.report_to": report_to}))
    )
    code, _, err = command(verb, tmp_path / "run.yaml")
    assert code == 2
    assert all(word in err for word in ["train.report_to", *words])
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_folder_of_the_name_is_not_the_package(tmp_path, monkeypatch):
    from ftkit.config.train import TrainSpec, stated_trackers

    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # as in a folder where W&B has left its files
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    (tmp_path / "wandb").mkdir()
    with pytest.raises(ftkit.ConfigError, match="wandb is not installed"):
        stated_trackers(TrainSpec(report_to="wandb"))
    monkeypatch.undo()
    assert stated_trackers(TrainSpec(report_to=["wandb", "tensorboard", "wandb"])) == ("wandb", "tensorboard")
    assert stated_trackers(TrainSpec(report_to="none")) == ()
