"""Every mistake a user can make with config, data or checkpoint: one message, exit code 2, nothing written.

They go through the command line, as a user's do.
"""

import shutil
import sys
from pathlib import Path

import pytest

from ftkit.cli import main
from ftkit.config import yaml as strict_yaml
from runs import TEXTS, run_config, write_csv


def text_file(name: str, content: str | bytes):
    """Returns a change that writes a data file and makes it the training data."""

    def change(folder: Path, config: dict) -> None:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        config["data"] = {"train": str(path)}

    return change


def data(**changes):
    return lambda folder, config: config["data"].update(changes)


def rows(train=None, test=None, **changes):
    """Returns a change that appends rows to train or test."""

    def change(folder: Path, config: dict) -> None:
        write_csv(folder / "train.csv", [*TEXTS[:24], *(train or [])])
        write_csv(folder / "test.csv", [*TEXTS[24:], *(test or [])])
        config["data"].update(changes)

    return change


def checkpoint_without(*names):
    def change(folder: Path, config: dict) -> None:
        copy = shutil.copytree(config["model"]["checkpoint"], folder / "checkpoint")
        for name in names:
            (copy / name).unlink()
        config["model"]["checkpoint"] = str(copy)

    return change


def setting(key, value):
    def change(folder: Path, config: dict) -> None:
        section, _, name = key.partition(".")
        if name:
            config[section][name] = value
        else:
            config[section] = value

    return change


GOOD_ROWS = "".join(f"text number {index},{'ab'[index % 2]}\n" for index in range(20))
NUMBERS = "".join(f"text number {index},{index / 7:.3f}\n" for index in range(20))
HALF = "".join(f"text number {index},{index if index % 3 == 0 else 'word'}\n" for index in range(20))

CASES = {
    "missing file": (data(train="trian.csv"), ["trian.csv", "no such file", "looked at"]),
    "closest file": (data(train="{folder}/trian.csv"), ["Did you mean 'train.csv'?"]),
    "folder as file": (data(train="{folder}"), ["is a folder"]),
    "unknown format": (text_file("train.docx", "x"), ["no reader for .docx", ".csv"]),
    "empty file": (text_file("train.csv", ""), ["train.csv", "is empty", "0 bytes"]),
    "header only": (text_file("train.csv", "text,label\n"), ["train.csv", "no rows"]),
    "wrong column": (data(columns={"label": "tpoic"}), ["'tpoic'", "'key', 'text', 'topic'", "Did you mean 'topic'?"]),
    "wrong role": (data(columns={"lable": "topic"}), ["no role 'lable'", "Did you mean 'label'?"]),
    "semicolons": (text_file("train.csv", "text;label\na;b\n"), ["data.delimiter"]),
    "empty text": (rows(train=[("", "card")]), ["train.csv, line 26", "empty"]),
    "blank text": (rows(train=[("  \t ", "card")]), ["train.csv, line 26"]),
    "missing label": (rows(train=[("a new text", "")]), ["train.csv, line 26", "label"]),
    "unknown label in test": (rows(test=[("a new text", "crad")]), ["'crad'", "test.csv, line 10", "Did you mean"]),
    "one label": (text_file("train.csv", "text,label\n" + "a text,x\n" * 12), ["'x'", "one"]),
    "half numbers": (text_file("train.csv", "text,label\n" + HALF), ["numbers", "7", "13", "data.labels"]),
    "fractions": (text_file("train.csv", "text,label\n" + NUMBERS), ["data.problem_type: regression"]),
    "words in regression": (data(problem_type="regression"), ["train.csv, line 2", "number"]),
    "latin-1": (text_file("train.csv", b"text,label\ncaf\xe9,a\n" + GOOD_ROWS.encode()), ["line 2", "0xE9"]),
    "ragged row": (text_file("train.csv", "text,label\n" + GOOD_ROWS + "a, b,c\n"), ["line 22", "3", "2"]),
    "open quote": (text_file("train.csv", "text,label\nfine,a\n\"never closed,b\n" + GOOD_ROWS), ["line 3", "quote"]),
    "bad JSON": (text_file("train.jsonl", '{"text": "a", "label": "b"}\n{"text": \n'), ["train.jsonl", "line 2"]),
    "declared labels miss one": (data(labels=["card", "food", "sport"]), ["'weather'", "data.labels"]),
    "declared label twice": (data(labels=["card", "card"]), ["given twice"]),
    "no such folder": (setting("model.checkpoint", "./berrt"), ["model.checkpoint", "no folder './berrt'"]),
    "file as checkpoint": (setting("model.checkpoint", __file__), ["is a file"]),
    "unknown built-in": (setting("model.checkpoint", "ftkit:nothing"), ["No built-in checkpoint"]),
    "unknown tracker": (setting("train.report_to", "tensorbord"), ["train.report_to", "Did you mean 'tensorboard'?"]),
    "no such one of several trackers": (setting("train.report_to", ["wandb", "aim"]), ["no tracker 'aim'", "trackio"]),
    "not on the Hub": (setting("model.checkpoint", "nobody/nothing"), ["cannot read 'nobody/nothing'"]),
    "no weights": (checkpoint_without("model.safetensors"), ["no model.safetensors"]),
    "no config": (checkpoint_without("config.json"), ["config.json"]),
    "no tokenizer": (checkpoint_without("tokenizer.json", "tokenizer_config.json"), ["tokenizer"]),
    "unknown task": (setting("task", "text-clasification"), ["Did you mean 'text-classification'?"]),
    "kind that is not there": (setting("task", "text-to-speech"), ["there is no task"]),
    "no task file": (setting("task", "nothing.py:TASK"), ["no file 'nothing.py'"]),
    "unknown metric": (setting("metrics", ["acuracy"]), ["acuracy", "Did you mean 'accuracy'?"]),
    "metric of another problem": (setting("metrics", ["pearson"]), ["pearson", "regression"]),
    "unknown best metric": (setting("train.metric_for_best_model", "f1_makro"), ["f1_makro", "f1_macro"]),
    "weight for no label": (setting("train.class_weights", {"crad": 2.0}), ["'crad'", "Did you mean 'card'?"]),
    "smoothing too large": (setting("train.label_smoothing_factor", 1.5), ["label_smoothing_factor"]),
    "output is a file": (lambda folder, config: config.update(output_dir=__file__), ["is a file"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_message_and_nothing_written(name, checkpoint, tmp_path, monkeypatch, capsys):
    change, parts = CASES[name]
    config = run_config(tmp_path, checkpoint("bert"))
    change(tmp_path, config)
    for key, value in config["data"].items():
        if isinstance(value, str):
            config["data"][key] = value.replace("{folder}", str(tmp_path))
    (tmp_path / "run.yaml").write_text(strict_yaml.dump(config), encoding="utf-8")
    before = sorted(path for path in tmp_path.rglob("*"))

    monkeypatch.setattr(sys, "argv", ["ftkit", "train", str(tmp_path / "run.yaml")])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "Traceback" not in told
    message = told[told.rindex("error: ") :]
    for part in parts:
        assert part in message, message
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("cell", ["NA", "null", "None", "nan", "#N/A"])
def test_words_that_others_take_for_missing_stay_texts(cell, tmp_path):
    from ftkit.kinds.splits import read_splits
    from ftkit.kinds.text_classification import KIND, TextClassificationData

    write_csv(tmp_path / "train.csv", [(cell, cell), *TEXTS])
    data = TextClassificationData(train=str(tmp_path / "train.csv"), columns={"label": "topic"})
    split = read_splits(KIND, KIND.task, data, KIND.columns_of(KIND.task, data), seed=0)["train"]
    assert split.examples[0].text == cell
    assert split.examples[0].label == cell


def test_labels_that_look_alike_as_numbers_stay_apart(checkpoint, tmp_path):
    import ftkit

    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    numbered = [(text, ("01", "1", "1.0", "10")[index % 4]) for index, (text, _) in enumerate(TEXTS)]
    for name, part in (("train", numbered[:24]), ("validation", numbered[16:24]), ("test", numbered[24:])):
        write_csv(tmp_path / f"{name}.csv", part)
    run = ftkit.train(config)
    assert ftkit.load(run.output_dir).labels.names == ("01", "1", "1.0", "10")
