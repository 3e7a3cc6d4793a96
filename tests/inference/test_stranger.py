"""What is recorded of a run so that it needs no code, and what a caller may say about a run."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from ftkit.config.run_config import load_config
from ftkit.errors import CheckpointError, ConfigError, UserError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.models.tokenizers import load_tokenizer
from ftkit.runs.open_run import open_run
from ftkit.runs.trust import check_code_is_trusted
from runs import TEXTS, run_config, write_csv
from untrusted import change_yaml

Checkpoint = Callable[[str], Path]

TASK = """
from ftkit import Task

TOPICS = Task(
    name="topics",
    kind="text-classification",
    columns={"text": "text", "label": "topic", "id": "key"},
    labels=("weather", "sport", "food", "card"),
    metrics=("accuracy", "matthews_correlation"),
    primary_metric="matthews_correlation",
)
"""


@pytest.fixture(scope="module")
def of_a_task(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a task in a file that has gone since; tests copy it."""
    folder = tmp_path_factory.mktemp("task")
    file = folder / "topics.py"
    file.write_text(TASK)
    config = run_config(folder, checkpoint("bert"), task=f"{file}:TOPICS", **{"train.max_steps": 1})
    config["data"]["columns"] = {}
    run = ftkit.train(config).output_dir
    file.unlink()
    return run


def test_a_run_records_what_its_task_says(of_a_task: Path) -> None:
    facts = load_config(of_a_task / "ftkit.yaml").run
    assert facts is not None
    assert facts.declared is not None
    assert facts.declared.labels == ("weather", "sport", "food", "card")
    assert facts.declared.metrics == ("accuracy", "matthews_correlation")
    assert facts.declared.primary_metric == "matthews_correlation"
    assert "is_plain" not in (of_a_task / "ftkit.yaml").read_text()


def test_a_task_whose_file_has_gone_is_scored_as_it_was(of_a_task: Path) -> None:
    predictor = ftkit.load(of_a_task)
    found = predictor.evaluate(str(of_a_task.parent / "test.csv"))
    assert predictor.labels is not None
    assert predictor.labels.names == ("weather", "sport", "food", "card")
    assert predictor.primary_metric == "matthews_correlation"
    assert "matthews_correlation" in found
    assert "f1" not in found


def test_the_callers_word_replaces_the_files(of_a_task: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(of_a_task, tmp_path / "run"))
    change_yaml(run, model__trust_remote_code=True)
    assert load_config(run / "ftkit.yaml").model.trust_remote_code
    assert not open_run(run)[1].model.trust_remote_code
    assert open_run(run, trust_remote_code=True)[1].model.trust_remote_code


def test_a_task_that_is_installed_is_the_users_own(
    of_a_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point is a package that the user has installed: it needs no flag."""
    run = Path(shutil.copytree(of_a_task, tmp_path / "run"))
    change_yaml(run, task="topics", run__prepared=True)
    task = ftkit.Task(name="topics", kind="text-classification", prepare=lambda cells: {**cells, "topic": "sport"})

    class Point:
        name = "topics"

        def load(self) -> ftkit.Task:
            return task

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Point()])
    split = ftkit.load(run).labelled(str(of_a_task.parent / "test.csv"))
    assert {example.label for example in split.examples} == {"sport"}


def test_a_run_whose_task_prepares_rows_is_told_the_task_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    file = tmp_path / "shout.py"
    file.write_text(
        "from ftkit import Task\n"
        "SHOUT = Task(name='shout', kind='text-classification', columns={'text': 'loud', 'label': 'topic'},\n"
        "             prepare=lambda cells: {**cells, 'loud': cells['text'].upper()})\n"
    )
    config = run_config(tmp_path, checkpoint("bert"), task=f"{file}:SHOUT", **{"train.max_steps": 1})
    config["data"]["columns"] = {}
    run, data = ftkit.train(config).output_dir, config["data"]["test"]
    with pytest.raises(UserError, match=r"(?s)prepares rows .*shout\.py:SHOUT.*--task shout\.py:SHOUT"):
        ftkit.load(run).evaluate(data)
    told_again = ftkit.load(run, task=f"{file}:SHOUT")
    assert all(example.text.isupper() for example in told_again.labelled(data).examples)
    assert told_again.evaluate(data)["accuracy"] == ftkit.load(run, trust_remote_code=True).evaluate(data)["accuracy"]
    assert ftkit.load(run).predict(["rain"]) == told_again.predict(["rain"])


# --- what the user says about a run's files ---------------------------------------------------------------------


def test_columns_delimiter_and_encoding_override_a_run(of_a_task: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    rows = [f"{text};{label}" for text, label in TEXTS[24:]]
    file.write_bytes("\n".join(["body;café", *rows]).encode("latin-1"))
    columns = {"text": "body", "label": "café", "id": "body"}
    found = ftkit.load(of_a_task, columns=columns, delimiter=";", encoding="latin-1").evaluate(str(file))
    expected = ftkit.load(of_a_task).evaluate(str(write_csv(tmp_path / "same.csv", TEXTS[24:])))
    assert found["accuracy"] == expected["accuracy"]
    assert found["samples"] == expected["samples"] == 8


def test_an_unknown_role_is_named(of_a_task: Path) -> None:
    with pytest.raises(ConfigError, match=r"no role 'txt'.*Did you mean 'text'"):
        ftkit.load(of_a_task, columns={"txt": "body"})


def test_languages_are_not_for_a_run(of_a_task: Path) -> None:
    with pytest.raises(UserError, match=r"--source-lang en: .* is a run of ftkit, .* Leave it out"):
        ftkit.load(of_a_task, source_lang="en")


@pytest.mark.parametrize("given", [("text",), ("text=",), ("text=a,text=b",)])
def test_columns_that_are_no_pairs(given: tuple[str, ...], of_a_task: Path, command: Callable[..., Any]) -> None:
    code, _, told = command("evaluate", of_a_task, "--data", "x.csv", "--columns", *given)
    assert code == 2
    assert "--columns: " in told


def test_metrics_are_given_as_a_list_or_one_by_one(of_a_task: Path, command: Callable[..., Any]) -> None:
    data = of_a_task.parent / "test.csv"
    code, out, told = command(
        "evaluate", of_a_task, "--data", data, "--metrics", "accuracy,f1", "--metrics", "roc_auc"
    )
    assert code == 0, told
    assert all(f'"{name}"' in out for name in ("accuracy", "f1_macro", "roc_auc"))
    assert "matthews_correlation" not in out
    code, _, told = command("evaluate", of_a_task, "--data", data, "--metrics", "acuracy")
    assert code == 2
    assert "Did you mean 'accuracy'?" in told


# --- configs that runs wrote --------------------------------------------------------------------------------------


def test_a_mapping_with_a_run_section_is_a_runs_too(of_a_task: Path) -> None:
    config = load_config(of_a_task / "ftkit.yaml")
    with pytest.raises(UserError, match=r"(?s)config was written by a run.*task: .*topics\.py:TOPICS"):
        check_code_is_trusted({}, config, None, trust_remote_code=False)
    check_code_is_trusted({}, config, None, trust_remote_code=True)
    check_code_is_trusted({}, config, {"task": "x"}, trust_remote_code=False)


def test_a_run_of_a_built_in_task_starts_again_unasked(checkpoint: Checkpoint, tmp_path: Path) -> None:
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1})).output_dir
    config = load_config(run / "ftkit.yaml")
    check_code_is_trusted(run / "ftkit.yaml", config, {}, trust_remote_code=False)


def test_a_tokenizer_that_needs_its_code_says_what_allows_it(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("The repository contains custom code. Please pass `trust_remote_code=True`.")

    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("bert"))))
    opened = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("bert"))), trust_key="--trust-remote-code")
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    with pytest.raises(CheckpointError, match=r"(?s)tokenizer_config\.json of .* say model\.trust_remote_code: true"):
        load_tokenizer(spec)
    with pytest.raises(CheckpointError, match=r"(?s)tokenizer_config\.json of .* say --trust-remote-code\."):
        load_tokenizer(opened)
