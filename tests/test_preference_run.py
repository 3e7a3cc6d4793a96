"""Whole runs of preference tuning: what a model is compared with, whatever it starts from."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from chats import TALKS
from ftkit.engine import checkpoints
from ftkit.errors import CheckpointError
from preferences import preference_config

Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str, str]]
FEW = {"max_steps": 4, "learning_rate": 5e-3, "use_cpu": True}


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    changes = {"train.eval_strategy": "steps", "train.eval_steps": 2, "train.max_steps": 4}
    return ftkit.train(preference_config(tmp_path_factory.mktemp("prefer"), checkpoint("llama"), **changes))


def test_report_and_card(run: ftkit.RunResult) -> None:
    page = (run.output_dir / "report.html").read_text(encoding="utf-8")
    assert "Rewards on validation" in page
    assert "What it answers" in page
    assert "longer answer alone gives" in page
    card = (run.output_dir / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-generation" in card
    assert "- preference-tuning" in card
    assert "| Reward accuracy |" in card
    assert "tokenizer.apply_chat_template(messages, add_generation_prompt=True" in card


def test_evaluate_predict_and_chat(run: ftkit.RunResult, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run.output_dir.parent / "pairs.jsonl"
    code, out, _ = command("evaluate", run.output_dir, "--data", rows)
    found = json.loads(out)
    assert code == 0
    for name in ("loss", "reward_accuracy", "reward_margin", "chosen_log_prob", "kl", "baseline_longer_answer"):
        assert found[name] == pytest.approx(run.metrics[f"test_{name}"], abs=1e-6), name
    answers = [row["prediction"] for row in ftkit.load(run.output_dir).predict([TALKS[0][0], TALKS[1][0]])]
    code, out, _ = command("predict", run.output_dir, "--input", rows)
    assert [json.loads(line)["prediction"] for line in out.splitlines()][:2] == answers
    monkeypatch.setattr("sys.stdin", io.StringIO(TALKS[0][0]))
    code, out, _ = command("chat", run.output_dir)
    assert (code, out.strip()) == (0, answers[0])


def test_an_adapter_that_goes_on_is_compared_with_what_it_was(
    run: ftkit.RunResult, checkpoint: Checkpoint, command: Command, tmp_path: Path
) -> None:
    model = {"checkpoint": str(checkpoint("llama")), "adapter": str(run.output_dir)}
    config = preference_config(tmp_path, checkpoint("llama"), model=model)
    # With next to no learning rate it stays what it was; compared with the base its margin is that of the first run.
    later = ftkit.train({**config, "train": {**FEW, "learning_rate": 1e-9}})
    assert run.metrics["test_reward_margin"] > 0.05
    assert later.metrics["test_reward_margin"] == pytest.approx(0.0, abs=1e-5)
    assert later.metrics["test_chosen_log_prob"] == pytest.approx(run.metrics["test_chosen_log_prob"], abs=1e-4)
    found = ftkit.load(later.output_dir).evaluate(str(tmp_path / "pairs.jsonl"))
    assert found["reward_margin"] == pytest.approx(later.metrics["test_reward_margin"], abs=1e-6)
    assert command("merge", later.output_dir, tmp_path / "merged")[0] == 0
    found = ftkit.load(tmp_path / "merged").evaluate(str(tmp_path / "pairs.jsonl"))
    assert found["reward_margin"] == pytest.approx(later.metrics["test_reward_margin"], abs=1e-5)


def test_a_whole_model_is_compared_with_its_checkpoint_also_when_it_goes_on(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = shutil.copytree(checkpoint("gpt2"), tmp_path / "base")
    train = {**FEW, "max_steps": 6, "per_device_train_batch_size": 3, "save_strategy": "steps", "save_steps": 3}
    changes = {"tuner": {"method": "full"}, "train": train, "data.validation": None}
    whole = ftkit.train(preference_config(tmp_path / "whole", base, **changes))

    def interrupt(folder: Path, **_: Any) -> None:
        if (folder / "checkpoint-3").is_dir():
            raise KeyboardInterrupt

    config = preference_config(tmp_path / "killed", base, **changes)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    kept = tmp_path / "killed" / "run" / "checkpoints" / "reference-train.json"
    assert len(json.loads(kept.read_text())["reference"]) == 6
    with monkeypatch.context() as patch:
        patch.setattr("ftkit.engine.reference.with_reference", None)  # what was measured is not measured again
        resumed = ftkit.train(config)
    weights = [one.output_dir / "model.safetensors" for one in (whole, resumed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert resumed.metrics["test_reward_margin"] == whole.metrics["test_reward_margin"] != 0

    rows = str(tmp_path / "whole" / "pairs.jsonl")
    found = ftkit.load(whole.output_dir).evaluate(rows)
    assert found["reward_margin"] == pytest.approx(whole.metrics["test_reward_margin"], abs=1e-6)
    base.rename(tmp_path / "elsewhere")
    predictor = ftkit.load(whole.output_dir)
    assert predictor.predict(["who won"])[0]["prediction"] is not None
    with pytest.raises(CheckpointError, match="what it was then cannot be opened(?s:.*)Fix: put .*base back"):
        predictor.evaluate(rows)


def test_steps_are_means_over_pairs_however_they_are_shared_out(checkpoint: Checkpoint, tmp_path: Path) -> None:
    found = []
    for name, rows, accumulated in (("one", 6, 1), ("three", 2, 3)):
        sizes = {"per_device_train_batch_size": rows, "gradient_accumulation_steps": accumulated}
        changes = {"train": {**FEW, **sizes}, "data.validation": None, "data.loss_type": "ipo", "data.sft_weight": 0.1}
        found.append(ftkit.train(preference_config(tmp_path / name, checkpoint("llama"), **changes)).metrics)
    for key in ("train_loss", "test_loss", "test_reward_margin"):
        assert found[0][key] == pytest.approx(found[1][key], rel=1e-4), key


def test_a_checkpoint_of_others_has_likelihoods_and_no_rewards(
    checkpoint: Checkpoint, command: Command, tmp_path: Path
) -> None:
    rows = preference_config(tmp_path, checkpoint("llama"))["data"]["train"]
    asked = (
        "evaluate",
        checkpoint("llama"),
        "--task",
        "preference-tuning",
        "--data",
        rows,
        "--chat-template",
        "plain",
    )
    code, out, told = command(*asked)
    assert code == 0, told
    found = json.loads(out)
    assert found["chosen_log_prob"] < 0
    assert "reward_accuracy" not in found
    assert "so rewards are left out" in " ".join(told.split())


@pytest.mark.parametrize("task", ["preference-tuning", "text-generation"])
def test_rows_that_do_not_fit_stop_no_check_while_others_do(
    task: str, checkpoint: Checkpoint, command: Command, tmp_path: Path
) -> None:
    config = preference_config(tmp_path, checkpoint("llama"), **{"data.max_length": 40, "data.validation": None})
    long = {"instruction": "is it cold", "output": "no " * 60, "chosen": "no " * 60, "rejected": "will not"}
    short = {**long, "output": "no", "chosen": "no"}
    file = tmp_path / "pairs.jsonl"
    kept = ("instruction", "output") if task == "text-generation" else ("instruction", "chosen", "rejected")
    rows = [{name: row[name] for name in kept} for row in (*[long] * 9, short)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.yaml").write_text(json.dumps({**config, "task": task}))
    code, _, told = command("check", tmp_path / "config.yaml")
    assert code == 0, told
    code, _, told = command("check", tmp_path / "config.yaml", "--show", "2")
    assert code == 2
    assert "--show 2: of the first rows nothing fits into what the model reads." in " ".join(told.split())
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:9]))
    code, _, told = command("check", tmp_path / "config.yaml")
    assert code == 2
    assert "Nothing can be learnt: " in told
