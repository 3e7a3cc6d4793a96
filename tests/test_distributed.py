"""`accelerate launch -m ftkit train` on two processes is the same run."""

import json

import pytest

import fresh
import ftkit
from ftkit.config import yaml as strict_yaml
from runs import TEXTS, run_config, write_csv


def test_two_processes_score_what_one_scores(checkpoint, tmp_path):
    # One batch on each of two processes makes the step that one process makes of two.
    settings = {"train.num_train_epochs": 3, "train.max_grad_norm": 0.0}
    one = run_config(tmp_path / "one", checkpoint("bert"), **settings, **{"train.gradient_accumulation_steps": 2})
    two = run_config(tmp_path / "two", checkpoint("bert"), **settings, **{"train.report_to": "tensorboard"})
    # The batch with the one long text is computed in two parts, while the other process computes one.
    texts = [(f"{text} " * 8 if index == 0 else text, label) for index, (text, label) in enumerate(TEXTS[:24])]
    for folder, config in (("one", one), ("two", two)):
        config["train"] |= {"per_device_train_batch_size": 6, "include_num_input_tokens_seen": "non_padding"}
        config["data"]["train"] = str(write_csv(tmp_path / folder / "train.csv", texts))
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(two))
    launcher = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --main_process_port 0"
    done = fresh.python(*launcher.split(), "-m", "ftkit", "train", tmp_path / "run.yaml", timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / "two" / "run" / "all_results.json").read_text())
    expected = ftkit.train(one).metrics
    assert results["num_processes"] == 2
    assert results["proof"]["same_predictions"] is True
    assert results["num_steps"] == expected["num_steps"]
    for metrics in (results, expected):
        assert metrics["train_samples_per_second"] * metrics["train_runtime"] == pytest.approx(3 * 24, rel=0.01)
    assert results["test_loss"] == pytest.approx(expected["test_loss"], abs=1e-3)
    assert results["test_accuracy"] == expected["test_accuracy"]
    predictions = (tmp_path / "two" / "run" / "predictions" / "test.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in predictions] == [f"t{index}" for index in range(8)]
    assert done.stdout.count("try next") == 1, "only the main process speaks"
    assert len(list((tmp_path / "two" / "run" / "tensorboard").rglob("events.*"))) == 1, "and only it opens trackers"
