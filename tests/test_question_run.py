"""Question answering from the files to the report, with the commands that its users type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import ftkit
from ftkit.data.problems import Problems
from ftkit.inference.bank import AdapterBank
from ftkit.inference.export import export_run
from ftkit.inference.merging import merge_run
from questions import QUESTIONS, squad_json
from runs import question_config

Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str, str]]
LORA = {"tuner": {"method": "lora", "rank": 4}}
LEARNT = {"train.num_train_epochs": 20, "train.precision": "fp32"}


def trained(folder: Path, checkpoint: Path, **overrides: Any) -> Any:
    return ftkit.train(question_config(folder, checkpoint, **LEARNT, **overrides))


def as_inputs() -> list[tuple[str, str]]:
    return [(question, context) for question, context, _ in QUESTIONS]


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on SQuAD's JSON, version 2."""
    folder = tmp_path_factory.mktemp("answers")
    path = folder / "squad.json"
    path.write_text(json.dumps(squad_json(QUESTIONS)))
    files = {f"data.{name}": str(path) for name in ("train", "validation", "test")}
    return trained(folder, checkpoint("bert"), **files)


def test_a_run_learns_answers_and_silence(run: Any) -> None:
    found = run.metrics
    assert found["test_exact_match"] == found["test_f1"] == found["test_best_f1"] == 1
    assert found["test_NoAns_f1"] == found["test_HasAns_f1"] == 1
    assert 0 < found["no_answer_threshold"] < 1
    assert found["proof"]["same_predictions"]
    saved = yaml.safe_load((run.output_dir / "ftkit.yaml").read_text())
    assert saved["data"]["no_answer"] is True
    assert saved["run"]["adapter_options"]["no_answer_threshold"] == found["no_answer_threshold"]
    assert saved["run"]["adapter_options"]["max_answer_length"] == 30
    rows = [json.loads(line) for line in (run.output_dir / "predictions" / "test.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in sorted(rows, key=lambda row: row["id"])] == [answer for *_, answer in QUESTIONS]


def test_the_report_shows_the_curve_and_what_silence_is(run: Any) -> None:
    page = json.loads((run.output_dir / "report.json").read_bytes())["page"]
    assert "no-answer-curve" in [block["block"] for block in page["results"]["blocks"]]
    card = (run.output_dir / "README.md").read_text()
    assert "that finds the answer to a question in a text, or says that there is none" in card
    assert "transformers 5 has no pipeline for question answering" in card


def test_commands(run: Any, tmp_path: Path, command: Command) -> None:
    squad = run.output_dir.parent / "squad.json"
    code, out, err = command("evaluate", run.output_dir, "--data", squad)
    assert code == 0, err
    assert json.loads(out)["best_exact"] == 1
    code, out, err = command("evaluate", run.output_dir, "--data", squad, "--answer-language", "zh")
    assert code == 0, err
    assert json.loads(out)["answer_language"] == "zh"
    code, _, err = command("evaluate", run.output_dir, "--data", squad, "--answer-language", "de")
    assert code == 2
    assert "--answer-language: 'de' is none of" in err
    output = tmp_path / "out.jsonl"
    code, _, err = command("predict", run.output_dir, "--input", squad, "--output", output)
    assert code == 0, err
    assert {json.loads(line)["id"] for line in output.read_text().splitlines()} == {f"q{n}" for n in range(6)}
    question, context, answer = QUESTIONS[0]
    code, out, err = command("predict", run.output_dir, "--text", question, "--text-pair", context)
    assert code == 0, err
    assert json.loads(out)["answer"] == answer
    code, _, err = command("predict", run.output_dir, "--text", question)
    assert code == 2
    assert "Fix: give what is more than one text as --text and --text-pair" in err


def test_what_cannot_be_answered_is_marked(run: Any) -> None:
    found = ftkit.load(run.output_dir).predict(
        [{"question": "who won", "context": " "}, "who won", {"question": QUESTIONS[0][0], "context": QUESTIONS[0][1]}]
    )
    assert found[0]["error"] == "the context is empty"
    assert found[0]["answer"] is None
    assert "expected a question and its text" in found[1]["error"]
    assert found[2]["answer"] == "our team"


def test_an_exported_run_answers_the_same(run: Any, tmp_path: Path) -> None:
    report = export_run(run.output_dir, tmp_path / "onnx", data=str(run.output_dir.parent / "squad.json"))
    assert report["equal_predictions"] == 1
    found = ftkit.load(tmp_path / "onnx").predict(as_inputs())
    assert [row["answer"] for row in found] == [answer for *_, answer in QUESTIONS]


def test_a_stated_threshold_is_kept(checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = question_config(tmp_path, checkpoint("bert"), **{"data.no_answer_threshold": 0.25})
    assert ftkit.train(config).metrics["no_answer_threshold"] == 0.25


def test_data_that_are_wrong_write_nothing(checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    config = question_config(tmp_path, checkpoint("bert"))
    path = tmp_path / "questions.jsonl"
    path.write_text(path.read_text().replace('"answer_start": [0]', '"answer_start": [2]'))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, err = command("train", tmp_path / "config.yaml")
    assert code == 2
    assert "questions.jsonl, line 1: 'our team' stands at 0, not at 2 (there: 'r team w')" in " ".join(err.split())
    assert not (tmp_path / "run").exists()
    code, _, err = command("check", tmp_path / "config.yaml", "data.repair_answers=true")
    assert code == 0, err


# --- adapters ---


def test_a_lora_on_a_body_that_transformers_renames(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The base is loaded as itself, the adapter on it; merged, it is a checkpoint that loads in the usual way."""
    from transformers import AutoModelForQuestionAnswering

    run = trained(tmp_path / "run", checkpoint("llama"), **LORA)
    assert run.metrics["test_f1"] == 1
    merge_run(run.output_dir, tmp_path / "merged")
    _, report = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not report["missing_keys"]
    answers = [row["answer"] for row in ftkit.load(tmp_path / "merged").predict(as_inputs())]
    assert answers == [answer for *_, answer in QUESTIONS]


def test_adapters_that_answer_and_that_classify_share_a_base(checkpoint: Checkpoint, tmp_path: Path) -> None:
    run = trained(tmp_path / "answers", checkpoint("bert"), **LORA)
    bank = AdapterBank()
    bank.add("answers", run.output_dir)
    assert bank.mixed == ["answers"]
    alone = ftkit.load(run.output_dir).predict(as_inputs())
    together = bank.predict([("answers", pair) for pair in as_inputs()])
    assert [row["answer"] for row in together] == [row["answer"] for row in alone]
    np.testing.assert_allclose(
        [row["score"] for row in together], [row["score"] for row in alone], atol=1e-5, rtol=1e-4
    )


def test_a_plain_checkpoint_tells_by_its_head_that_it_answers(run: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    folder = tmp_path / "plain"
    AutoModelForQuestionAnswering.from_pretrained(run.output_dir).save_pretrained(folder)
    AutoTokenizer.from_pretrained(run.output_dir).save_pretrained(folder)
    found = ftkit.load(folder).predict(as_inputs()[:1])
    assert found[0]["answer"] == "our team"
    assert "no_answer_score" not in found[0]
    silent = ftkit.load(folder, no_answer=True).predict(as_inputs())
    assert [row["answer"] for row in silent] == [answer for *_, answer in QUESTIONS]


def test_real_answers_stand_where_they_say(real_data: Path) -> None:
    """All answers of XQuAD in three languages do, and all but five of CMRC's trial."""
    from ftkit.data.readers import open_table
    from ftkit.kinds.question_answering import KIND, QuestionAnsweringData
    from ftkit.types import Split

    files = {
        "xquad/en_test.json": (263, []),
        "xquad/de.json": (1190, []),
        "xquad/zh.json": (1190, []),
        "cmrc2018/trial.json": (1002, ["does not stand where answer_start says (5 times)"]),
    }
    for name, (num_rows, wrong) in files.items():
        section = QuestionAnsweringData(train=str(real_data / name))
        columns = KIND.columns_of(KIND.task, section)
        table, problems = open_table(str(real_data / name)), Problems()
        examples = list(KIND.read(table, KIND.task, columns, section, with_labels=True))
        KIND.normalize({"test": Split("test", name, examples)}, KIND.task, section, problems)
        assert len(examples) == num_rows
        assert [text in error for text, error in zip(wrong, problems.errors, strict=True)] == [True] * len(wrong)
