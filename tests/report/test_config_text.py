"""Config and results as they are shared: paths of this machine are cut, nothing else is."""

from __future__ import annotations

from ftkit.config.run_config import load_config
from ftkit.config.yaml import dump, load
from ftkit.report.config_text import shareable_results, shareable_yaml

CONFIG = {
    "task": "/home/ana/tasks.py:TASK",
    "model": {"checkpoint": "/home/ana/bert", "adapter": "~/runs/first"},
    "data": {
        "train": "/home/ana/train.csv",
        "validation": "data/validation.csv",
        "test": {"source": "/home/ana/test.de", "target": "/home/ana/test.en"},
        "columns": {"text": "/text", "label": "no"},
        "labels": ["/r/politics", "no", "1e-4", "yes", "012"],
        "label_separator": "/",
    },
    "metrics": ["accuracy", "/home/ana/metric.py", "hub:owner/name"],
    "output_dir": "/home/ana/runs/x",
    "run": {
        "ftkit_version": "1",
        "task_name": "t",
        "kind": "text-classification",
        "family": "encoder",
        "columns": {"text": "/text"},
        "max_length": 128,
        "adapter_options": {"prompt_template": "/x/y {source}"},
        "prepared": False,
        "base": {"path": "/home/ana/bert", "adapter_sha256": "00"},
    },
}


def test_only_paths_are_cut_and_the_rest_loads_as_it_was() -> None:
    whole = load_config(CONFIG).to_yaml()
    shared = shareable_yaml(whole)
    assert "ana" not in shared
    assert "~" not in shared
    cut = load(shared, "shared")[0]
    before = load(whole, "whole")[0]
    assert cut["task"] == "tasks.py:TASK"
    assert cut["model"] == {"checkpoint": "bert", "adapter": "first", "trust_remote_code": False} | {
        key: value for key, value in before["model"].items() if key not in ("checkpoint", "adapter")
    }
    assert cut["data"] | {"train": 0, "test": 0} == before["data"] | {"train": 0, "test": 0}
    assert (cut["data"]["train"], cut["data"]["test"]) == ("train.csv", {"source": "test.de", "target": "test.en"})
    assert cut["data"]["labels"] == ["/r/politics", "no", "1e-4", "yes", "012"]
    assert cut["metrics"] == ["accuracy", "metric.py", "hub:owner/name"]
    assert cut["output_dir"] == "x"
    assert cut["run"]["adapter_options"] == {"prompt_template": "/x/y {source}"}
    assert cut["run"]["base"]["path"] == "bert"
    again = load_config(cut)
    assert again.data.labels == load_config(CONFIG).data.labels
    assert shareable_yaml(shared) == shared


def test_a_config_without_such_paths_stays_byte_by_byte() -> None:
    text = "# mine\n" + dump({"task": "text-classification", "data": {"train": "data/a.csv"}, "output_dir": "runs/x"})
    assert shareable_yaml(text) == text


def test_paths_above_the_working_directory_and_of_windows_are_cut() -> None:
    values = {"model": {"checkpoint": r"C:\Users\ana\bert"}, "data": {"train": "../../ana/train.csv"}}
    assert load(shareable_yaml(dump(values)), "x")[0] == {
        "model": {"checkpoint": "bert"},
        "data": {"train": "train.csv"},
    }


def test_results_keep_everything_but_folders() -> None:
    results = {
        "test_accuracy": 0.5,
        "test_per_label": {"/r/politics": {"f1": 1.0}},
        "merged_from": "/home/ana/runs/x",
        "base": "/home/ana/bert",
        "compared_on": "/home/ana/a.csv",
        "data": {
            "train": {"source": "/home/ana/a.de | /home/ana/a.en", "rows": 3},
            "test": {"source": "owner/name:test", "rows": 2},
        },
    }
    shared = shareable_results(results)
    assert shared == results | {
        "merged_from": "x",
        "base": "bert",
        "compared_on": "a.csv",
        "data": {
            "train": {"source": "a.de | a.en", "rows": 3},
            "test": {"source": "owner/name:test", "rows": 2},
        },
    }
    assert shareable_results({"base": "owner/bert", "data": None}) == {"base": "owner/bert", "data": None}
