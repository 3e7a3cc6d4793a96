"""`ftkit report`, and the reports that `ftkit train` and `ftkit merge` write."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard

import ftkit
import tiny
from ftkit.config.run_config import load_config
from ftkit.inference.merging import merge_run
from ftkit.report.gathered import report_content
from ftkit.report.shared import shared_files
from ftkit.runs.checked_run import check_run
from ftkit.types import LabelSpace
from runs import run_config, tagging_config, translation_config

Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str, str]]
FILES = ("README.md", "report.html", "report.json")


@pytest.fixture(scope="module")
def lora(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = run_config(tmp_path_factory.mktemp("lora"), checkpoint("bert"), tuner={"method": "lora"})
    return ftkit.train(config, {"train.num_train_epochs": 2}).output_dir


def test_a_run_s_report_is_made_again(lora: Path, tmp_path: Path, command: Command) -> None:
    run = tmp_path / "run"
    shutil.copytree(lora, run)
    before = {name: (run / name).read_bytes() for name in FILES}
    path = run / "README.md"
    path.write_text(path.read_text().replace("library_name", "license: mit\nlibrary_name") + "\n## Mine\n\nx\n")
    (run / "report.html").unlink()
    code, _, told = command("report", run)
    assert code == 0, told
    assert "report.html and README.md written again" in told
    assert {name: (run / name).read_bytes() for name in FILES[1:]} == {name: before[name] for name in FILES[1:]}
    card = ModelCard.load(path)
    assert card.data.license == "mit"
    assert card.text.endswith("## Mine\n\nx\n")


def test_mistakes_are_one_message(lora: Path, tmp_path: Path, command: Command) -> None:
    run = tmp_path / "run"
    shutil.copytree(lora, run)
    (run / "report.json").write_text('{"format": 2, "title": 3}')
    (tmp_path / "empty").mkdir()
    for folder, message in (
        (run, "report.json is damaged: title: Input should be a valid string"),
        (tmp_path / "empty", "is not a run of ftkit"),
        (tmp_path / "nowhere", "No run"),
    ):
        code, _, told = command("report", folder)
        assert code == 2
        assert message in " ".join(told.split())
        assert "Traceback" not in told
    (run / "report.json").unlink()
    code, _, told = command("report", run)
    assert code == 2
    assert "holds no report.json" in told


def test_what_the_card_of_a_run_claims(lora: Path) -> None:
    card = ModelCard.load(lora / "README.md")
    results = json.loads((lora / "all_results.json").read_text())
    assert card.data.library_name == "peft"
    assert card.data.base_model is None  # a folder
    assert card.data.license is None
    assert card.data.language is None
    assert card.data.tags == ["ftkit", "text-classification", "lora"]
    found = {
        (one.dataset_split, one.metric_name): (one.metric_value, one.metric_args) for one in card.data.eval_results
    }
    assert found["test", "Accuracy"] == (results["test_accuracy"], {"num_rows": 8})
    assert found["validation", "Loss"] == (results["eval_loss"], {"num_rows": 8})
    values = {value for value, _ in found.values()}
    assert values <= {value for value in results.values() if isinstance(value, float)}
    first = json.loads((lora / "predictions" / "test.jsonl").read_text().splitlines()[0])
    assert f"Predicted: **{first['label']}**" in card.text


def test_the_base_is_the_hub_s_if_it_is_no_folder(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = check_run(load_config(run_config(tmp_path, checkpoint("bert"))))
    run = dataclasses.replace(run, spec=dataclasses.replace(run.spec, path="owner/bert"))
    adapter = tiny.make_adapter(checkpoint("bert"), LabelSpace(("a", "b")))
    trained: Any = SimpleNamespace(log_history=[], model=adapter.objective.build().model)
    monkeypatch.chdir(tmp_path)
    assert report_content(run, trained, adapter, {}, {}, ()).base_on_hub == "owner/bert"
    (tmp_path / "owner" / "bert").mkdir(parents=True)
    assert report_content(run, trained, adapter, {}, {}, ()).base_on_hub is None


@pytest.mark.parametrize(
    ("make", "model_type", "text"),
    [(tagging_config, "bert", "our team won the cup"), (translation_config, "marian", "lost")],
)
def test_texts_of_tags_and_of_what_is_written_stay_at_home(
    make: Callable[..., dict], model_type: str, text: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    run = ftkit.train(make(tmp_path, checkpoint(model_type))).output_dir
    report = json.loads((run / "report.json").read_text())
    assert report["texts_are_public"] is False
    private = [*report["card"]["example"]["quotes"]]
    for row in report["page"]["results"]["blocks"][-1]["rows"]:
        private += [*row["texts"], *([row["expected"], row["predicted"]] if make is translation_config else [])]
    private = [line for line in private if len(line) > 12]
    assert private
    shared = shared_files(run, repo_id="owner/name", with_texts=False)
    for name, content in shared.items():
        assert not [line for line in private if line in content or json.dumps(line)[1:-1] in content], name
    rows = json.loads(shared["report.json"])["page"]["results"]["blocks"][-1]["rows"]
    kept = {row["expected"] for row in rows} | {row["predicted"] for row in rows}
    if make is tagging_config:
        assert {label for labels in kept for label in labels.split("; ")} <= {"who", "what", "(no entity)"}
    else:
        assert kept == {None}


def test_demo_data_is_public(checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = run_config(tmp_path, checkpoint("bert"))
    config["data"] = {
        "train": "ftkit:support/train.csv",
        "validation": 0.1,
        "test": "ftkit:support/test.csv",
        "columns": {"label": "intent"},
    }
    run = ftkit.train(config, {"train.num_train_epochs": 1, "train.max_steps": 1}).output_dir
    shared = shared_files(run, repo_id="owner/name", with_texts=False)
    assert "Predicted: **" in shared["README.md"]
    assert json.loads(shared["report.json"])["has_texts"] is True


def test_a_merged_checkpoint_has_a_card_of_its_own(lora: Path, tmp_path: Path, command: Command) -> None:
    measured = merge_run(lora, tmp_path / "merged")
    card = ModelCard.load(tmp_path / "merged" / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.tags == ["ftkit", "text-classification"]
    text = " ".join(card.text.split())
    assert "merged from an adapter by lora" in text
    assert f"at most {measured['max_logit_difference']:.2g}" in text
    assert "over 8 rows" in text
    assert "reproduced its predictions" not in text
    assert "model=run" in text
    adapter = ModelCard.load(lora / "README.md")
    assert [one.metric_value for one in card.data.eval_results] == [
        one.metric_value for one in adapter.data.eval_results
    ]
    page = (tmp_path / "merged" / "report.html").read_text()
    assert "Merged from run</strong>" in page
    before = {name: (tmp_path / "merged" / name).read_bytes() for name in FILES}
    code, _, told = command("report", tmp_path / "merged")
    assert code == 0, told
    assert {name: (tmp_path / "merged" / name).read_bytes() for name in FILES} == before
    shared = shared_files(tmp_path / "merged", repo_id="owner/name", with_texts=False, base_model="owner/base")
    data = ModelCard(shared["README.md"]).data
    assert (data.base_model, data.base_model_relation) == ("owner/base", "merge")


def test_a_run_of_before_is_merged_without_a_card(lora: Path, tmp_path: Path) -> None:
    shutil.copytree(lora, tmp_path / "run")
    (tmp_path / "run" / "report.json").unlink()
    merge_run(tmp_path / "run", tmp_path / "merged")
    assert (tmp_path / "merged" / "all_results.json").is_file()
    assert not (tmp_path / "merged" / "README.md").exists()
