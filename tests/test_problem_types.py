"""Whole runs on what else a classifier learns: several labels, numbers, pairs, weights, datasets of other shapes."""

import json

import numpy as np
import pytest

import ftkit
from ftkit.config.run_config import load_config
from ftkit.run import check
from runs import TEXTS, run_config

SELDOM = {
    "train.eval_strategy": "steps",
    "train.eval_steps": 30,
    "train.save_strategy": "steps",
    "train.save_steps": 30,
}
"""Of many steps, few are evaluated and saved."""


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def config_for(folder, checkpoint, rows, columns=None, **overrides):
    config = run_config(folder, checkpoint)
    config["data"] = {
        "train": write_jsonl(folder / "train.jsonl", rows[:24]),
        "validation": write_jsonl(folder / "validation.jsonl", rows[16:]),
        "columns": columns or {"text": "text", "label": "label"},
    }
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        config[section][name] = value
    return config


def predictions(run):
    path = run.output_dir / "predictions" / "validation.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_several_labels(checkpoint, tmp_path):
    rows = [{"text": text, "label": [label, "short"] if len(text) < 30 else [label]} for text, label in TEXTS]
    config = config_for(
        tmp_path,
        checkpoint("bert"),
        rows,
        **{"data.problem_type": "multi_label_classification", "train.num_train_epochs": 20, **SELDOM},
    )
    run = ftkit.train(config)
    assert run.primary_metric == "f1_micro"
    assert run.metrics["eval_f1_micro"] > 0.6
    found = predictions(run)
    assert all(set(row["scores"]) == {"card", "food", "short", "sport", "weather"} for row in found)
    assert all(sorted(row["label"]) == sorted(n for n, s in row["scores"].items() if s >= 0.5) for row in found)
    saved = json.loads((run.output_dir / "config.json").read_text())
    assert saved["problem_type"] == "multi_label_classification"
    assert ftkit.load(run.output_dir).predict([rows[0]["text"]])[0]["scores"].keys() == found[0]["scores"].keys()


def test_several_labels_in_one_cell_and_rows_without_any(checkpoint, tmp_path):
    rows = [
        {"text": text, "label": f"{label}; loud" if index % 3 else ""} for index, (text, label) in enumerate(TEXTS)
    ]
    settings = {"data.problem_type": "multi_label_classification", "data.label_separator": ";"}
    config = config_for(tmp_path, checkpoint("bert"), rows, **settings, **{"train.num_train_epochs": 1})
    run = ftkit.train(config)
    assert ftkit.load(run.output_dir).labels.names == ("card", "food", "loud", "sport", "weather")


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_a_number(checkpoint, tmp_path, family):
    rows = [{"text": text, "label": (len(text) - 25) / 10} for text, _ in TEXTS]
    settings = {"data.problem_type": "regression", "train.num_train_epochs": 60, **SELDOM}
    run = ftkit.train(config_for(tmp_path, checkpoint(family), rows, **settings))
    assert run.primary_metric == "mse"
    scores = np.array([row["score"] for row in predictions(run)])
    expected = np.array([row["label"] for row in rows[16:]])
    assert run.metrics["eval_mse"] == pytest.approx(float(((scores - expected) ** 2).mean()), rel=1e-4)
    assert run.metrics["eval_mse"] < expected.var(), "better than always saying the mean"


@pytest.mark.parametrize("family", ["bert", "gpt2", "bart"])
def test_pairs(checkpoint, tmp_path, family):
    rows = [
        {"a": text, "b": f"{text}!" if index % 2 else "no idea", "same": bool(index % 2)}
        for index, (text, _) in enumerate(TEXTS)
    ]
    columns = {"text": "a", "text_pair": "b", "label": "same"}
    config = config_for(tmp_path, checkpoint(family), rows, columns, **{"train.num_train_epochs": 2})
    run = ftkit.load(ftkit.train(config).output_dir)
    assert run.labels.names == ("false", "true")
    one, other = run.predict([("my card", "the soup"), ("the soup", "my card")])
    assert one["scores"] != other["scores"]
    (alone,) = run.predict(["my card"])
    assert alone["label"] is None
    assert alone["error"] == "inputs, item 0: there is no text_pair, and the model reads one."


def test_whole_numbers_are_names(checkpoint, tmp_path):
    rows = [{"text": text, "label": (2, 10, 1)[index % 3]} for index, (text, _) in enumerate(TEXTS)]
    run = ftkit.train(config_for(tmp_path, checkpoint("bert"), rows, **{"train.num_train_epochs": 1}))
    loaded = ftkit.load(run.output_dir)
    assert loaded.labels.names == ("1", "2", "10")
    with pytest.raises(ftkit.DataError, match="item 0: there is a text_pair, and the model was trained without one"):
        loaded.predict([("my card", "the soup")], on_bad_row="error")


def test_weights_and_smoothing_change_the_loss_and_are_recorded(checkpoint, tmp_path):
    rows = [{"text": text, "label": label} for text, label in TEXTS]
    rows[0]["label"] = rows[1]["label"] = "rare"
    plain = ftkit.train(config_for(tmp_path / "plain", checkpoint("bert"), rows, **{"train.num_train_epochs": 1}))
    settings = {"train.class_weights": "balanced", "train.label_smoothing_factor": 0.1, "train.num_train_epochs": 1}
    run = ftkit.train(config_for(tmp_path / "weighted", checkpoint("bert"), rows, **settings))
    assert run.metrics["train_loss"] != plain.metrics["train_loss"]
    facts = ftkit.load_config(run.output_dir / "ftkit.yaml").run
    assert facts.adapter_options["label_smoothing"] == 0.1
    assert len(facts.adapter_options["class_weights"]) == 5


def test_a_hub_dataset_with_class_labels(checkpoint, tmp_path):
    """`load_dataset` reads a local folder by the same code as a repository; its label ids become names."""
    import datasets

    names = ["card", "weather", "sport", "food"]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    table = {"text": [text for text, _ in TEXTS], "label": [label for _, label in TEXTS]}
    datasets.Dataset.from_dict(table, features=features).to_parquet(str(tmp_path / "set" / "train.parquet"))
    config = run_config(tmp_path, checkpoint("bert"))
    config["data"] = {"train": {"hub": str(tmp_path / "set"), "split": "train"}, "validation": 0.25}
    config["train"]["num_train_epochs"] = 1
    run = ftkit.train(config)
    assert ftkit.load(run.output_dir).labels.names == ("card", "food", "sport", "weather")
    assert run.metrics["train_samples"] + run.metrics["eval_samples"] == 32


METRIC = """
import datasets
import evaluate

class Longest(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"largest": float(max(predictions))}
"""


@pytest.mark.usefixtures("code_is_copied_elsewhere")
def test_a_metric_of_ones_own(checkpoint, tmp_path):
    (tmp_path / "largest.py").write_text(METRIC)
    config = run_config(tmp_path, checkpoint("bert"))
    config["metrics"] = ["accuracy", str(tmp_path / "largest.py")]
    config["train"]["num_train_epochs"] = 1
    run = ftkit.train(config)
    assert 0 <= run.metrics["test_largest"] <= 3
    assert "test_f1_macro" not in run.metrics


def test_gradients_accumulate_to_those_of_one_large_batch(checkpoint, tmp_path):
    rows = [{"text": text, "label": label} for text, label in TEXTS]
    losses = []
    for size, steps in ((24, 1), (6, 4)):
        settings = {
            "train.per_device_train_batch_size": size,
            "train.gradient_accumulation_steps": steps,
            "train.num_train_epochs": 3,
        }
        run = ftkit.train(config_for(tmp_path / str(size), checkpoint("bert"), rows, **settings))
        losses.append(run.metrics["eval_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_long_texts_are_cut_and_told(checkpoint, tmp_path, capsys):
    rows = [{"text": f"{text} {text} {text}", "label": label} for text, label in TEXTS]
    config = config_for(tmp_path, checkpoint("bert"), rows, **{"data.max_length": 8, "train.num_train_epochs": 1})
    sentence = "100.0% of train (24 rows) is longer than the model reads"
    assert any(warning.startswith(sentence) for warning in check(load_config(config)).warnings)
    run = ftkit.train(config)
    assert run.metrics["train_truncated_samples"] == 24
    assert sentence in capsys.readouterr().err
    assert "longer than the model reads" in (run.output_dir / "report.html").read_text(encoding="utf-8")
