"""How many processes train changes nothing but the time that it takes: four ranks, two and one take the same steps.

Runs without dropout are compared: what ranks draw at random differs.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
import tiny
from ftkit.errors import ConfigError
from ftkit.runs.files import GIVEN_FILE
from ranks import run_on_ranks
from runs import TEXTS, run_config, tagging_config, translation_config, write_csv

Config = dict[str, Any]
FACTORISATIONS = {"1x4": (1, 4), "2x2": (2, 2), "4x1": (4, 1)}
"""Ranks, and micro-batches of two rows that each accumulates: eight rows in an optimizer step."""
SETTINGS = {
    "train.num_train_epochs": 2,
    "train.per_device_train_batch_size": 2,
    "train.precision": "fp32",
    "train.logging_steps": 1,
}
LONGER = {"train.num_train_epochs": 12, "train.eval_strategy": "no"}  # until something is found
SAVED_STEPS = {"train.eval_strategy": "steps", "train.eval_steps": 1, "train.save_total_limit": 9}


# Of 9 texts each epoch makes two steps, of 5 and 4 rows; of 3 texts one, with a row for three of four ranks. Splits of
# 1 to 9 rows are scored.
def classification(folder: Path, checkpoint: Path) -> Config:
    config = run_config(folder, checkpoint, **SETTINGS, **SAVED_STEPS)
    return _with_rows(config, folder, train=9, validation=1, test=9)


def few_rows(folder: Path, checkpoint: Path) -> Config:
    return _with_rows(run_config(folder, checkpoint, **SETTINGS), folder, train=3, validation=2, test=7)


def _with_rows(config: Config, folder: Path, **num_rows: int) -> Config:
    known = {label for _, label in TEXTS[: num_rows["train"]]}
    rows = [row for row in TEXTS if row[1] in known]
    for split, count in num_rows.items():
        config["data"][split] = str(write_csv(folder / f"{split}.csv", rows[:count]))
    return config


def long_documents(folder: Path, checkpoint: Path) -> Config:
    """Six sentences in windows of some words: an example takes several rows."""
    settings = {**SETTINGS, **LONGER, "data.max_length": 8, "data.window_overlap": 2}
    return _tested_on(tagging_config(folder, checkpoint, **settings), folder / "tagged.conll", 3, between="\n\n")


def beams(folder: Path, checkpoint: Path) -> Config:
    config = translation_config(folder, checkpoint, **SETTINGS, generation={"num_beams": 3, "max_new_tokens": 12})
    return _tested_on(config, folder / "pairs.tsv", 5, between="\n")


def _tested_on(config: Config, data: Path, count: int, *, between: str) -> Config:
    """Validates on the first examples of a file alone."""
    config["data"]["validation"] = str(data.with_stem("few"))
    data.with_stem("few").write_text(between.join(data.read_text().split(between)[:count]) + "\n")
    return config


KINDS: dict[str, tuple[Callable[[Path, Path], Config], str]] = {
    "classification": (classification, "bert"),
    "few-rows": (few_rows, "bert"),
    "long-documents": (long_documents, "bert"),
    "beams": (beams, "marian"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, checkpoint: Callable[[str], Path]) -> Path:
    """A folder of finished runs, `KIND/FACTORISATION/run`; of `resumed`, one rank has taken the first two steps.

    `layerdrop` and `recomputed` are of two ranks.
    """
    folder = tmp_path_factory.mktemp("runs")
    for name in KINDS:
        ftkit.train(config_of(folder, name, "1x4", checkpoint))
    resumed = config_of(folder, "classification", "2x2", checkpoint) | {"output_dir": str(folder / "resumed" / "run")}
    interrupted_copy(folder / "classification" / "1x4" / "run", folder / "resumed" / "run", after_step=2)
    four_ranks = [config_of(folder, name, "4x1", checkpoint) for name in KINDS]
    run_on_ranks(folder, [(2, [resumed, *layers_left_out(folder)]), (4, four_ranks)])
    return folder


def layers_left_out(folder: Path) -> list[Config]:
    """Returns configs of a BART whose encoder leaves out each layer every other time, so that it has no gradient."""
    checkpoint = tiny.make_checkpoint("bart", folder / "bart", sizes={"encoder_layerdrop": 0.5})
    recomputed = {"train.activation_checkpointing": True}
    return [
        run_config(folder / name, checkpoint, **SETTINGS, **SAVED_STEPS, **more)
        for name, more in {"layerdrop": {}, "recomputed": recomputed}.items()
    ]


def config_of(folder: Path, name: str, factorisation: str, checkpoint: Callable[[str], Path]) -> Config:
    make, model_type = KINDS[name]
    config = make(folder / name / factorisation, checkpoint(model_type))
    config["train"]["gradient_accumulation_steps"] = FACTORISATIONS[factorisation][1]
    # Where data lie is a setting: all read the same files.
    first = str(folder / name / "1x4")
    config["data"] = {
        key: value.replace(str(folder / name / factorisation), first) if isinstance(value, str) else value
        for key, value in config["data"].items()
    }
    return config


def interrupted_copy(run: Path, target: Path, *, after_step: int) -> Path:
    """Copies a finished run as it was after some step."""
    shutil.copytree(run / "checkpoints", target / "checkpoints")
    for checkpoint in (target / "checkpoints").glob("checkpoint-*"):
        if int(checkpoint.name.rpartition("-")[2]) > after_step:
            shutil.rmtree(checkpoint)
    shutil.copy(target / "checkpoints" / GIVEN_FILE, target / "ftkit.yaml")
    return target


def history(run: Path) -> list[dict[str, Any]]:
    """Returns what was logged, entry by entry."""
    newest = max((run / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((newest / "trainer_state.json").read_text())["log_history"]


def assert_same_run(run: Path, expected: Path) -> None:
    """Losses agree up to rounding; what is predicted and scored agrees to the last digit."""
    for name in ("loss", "grad_norm", "learning_rate", "eval_loss"):
        found, wanted = ([entry[name] for entry in history(path) if name in entry] for path in (run, expected))
        assert found == pytest.approx(wanted, rel=1e-4), name
    results, wanted = (json.loads((path / "all_results.json").read_text()) for path in (run, expected))
    scores = [key for key in wanted if key.startswith(("eval_", "test_")) and "loss" not in key]
    assert any(wanted[key] for key in scores if key not in ("test_samples", "eval_samples")), (
        "none that is 0 throughout"
    )
    assert {key: results[key] for key in scores} == {key: wanted[key] for key in scores}
    for key in ("train_loss", "test_loss"):
        assert results[key] == pytest.approx(wanted[key], rel=1e-4)
    assert (results["num_steps"], results["best_step"]) == (wanted["num_steps"], wanted["best_step"])
    assert results["proof"]["same_predictions"]
    for file in (expected / "predictions").glob("*.jsonl"):
        rows, expected_rows = (path.read_text().splitlines() for path in (run / "predictions" / file.name, file))
        assert [said(row) for row in rows] == [said(row) for row in expected_rows]


def said(line: str) -> dict[str, Any]:
    """Returns a prediction without its confidence."""
    return {key: value for key, value in json.loads(line).items() if key in ("id", "prediction", "tags", "text")}


@pytest.mark.parametrize("name", KINDS)
def test_four_ranks_train_what_one_rank_accumulates(runs: Path, name: str) -> None:
    assert_same_run(runs / name / "4x1" / "run", runs / name / "1x4" / "run")
    results = json.loads((runs / name / "4x1" / "run" / "all_results.json").read_text())
    assert results["num_processes"] == 4
    assert results["rank_spread"] > 0


def test_two_ranks_go_on_with_what_one_began(runs: Path) -> None:
    assert_same_run(runs / "resumed" / "run", runs / "classification" / "1x4" / "run")


def test_layers_without_a_gradient_are_not_waited_for_whether_or_not_activations_are_computed_again(
    runs: Path,
) -> None:
    assert_same_run(runs / "recomputed" / "run", runs / "layerdrop" / "run")


def test_one_rank_goes_on_with_what_four_began(
    runs: Path, checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    four = runs / "classification" / "4x1" / "run"
    run = interrupted_copy(four, tmp_path / "run", after_step=3)
    config = config_of(runs, "classification", "1x4", checkpoint) | {"output_dir": str(run)}
    other = copy.deepcopy(config)
    other["train"]["gradient_accumulation_steps"] = 1
    before = sorted(path.name for path in run.rglob("*"))
    with pytest.raises(ConfigError) as told:
        ftkit.train(other)
    assert "began with 4 processes x 2 rows, 8 rows in an optimizer step, 2 steps an epoch" in str(told.value)
    assert "now it would be 1 process x 2 rows, 2 rows in an optimizer step, 5 steps an epoch" in str(told.value)
    assert "say train.gradient_accumulation_steps=4." in str(told.value)
    assert sorted(path.name for path in run.rglob("*")) == before
    ftkit.train(other, {"train.gradient_accumulation_steps": 4})
    assert "saved by 4 processes, gone on with by 1: optimizer steps stay as they are" in capsys.readouterr().err
    assert_same_run(run, four)
    # The line that ended the run says that it is finished; another global batch would be another run.
    ftkit.train(other, {"train.gradient_accumulation_steps": 4})
    assert "finished: nothing is left to do" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="with other settings: train.gradient_accumulation_steps was 4, is 1"):
        ftkit.train(other)
