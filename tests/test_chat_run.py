"""Whole runs of text generation: conversations in, an adapter that answers them out, also by plain peft."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from chats import TALKS
from ftkit.errors import ConfigError, DataError

Checkpoint = Callable[[str], Path]
Command = Callable[..., tuple[int, str, str]]
LORA = {"method": "lora", "rank": 8, "target_modules": ["q_proj", "v_proj", "up_proj", "down_proj", "lm_head"]}


def write_talks(folder: Path, name: str = "talks.jsonl") -> str:
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said in TALKS
    ]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


def run_config(folder: Path, checkpoint: Path, **changes: Any) -> dict[str, Any]:
    rows = write_talks(folder)
    config = {
        "task": "text-generation",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": rows, "validation": rows, "test": rows, "chat_template": "plain", "answered_rows": 3},
        "tuner": LORA,
        "train": {
            "num_train_epochs": 60,
            "learning_rate": 2e-2,
            "per_device_train_batch_size": 6,
            "eval_strategy": "steps",
            "eval_steps": 60,
            "use_cpu": True,
        },
        "output_dir": str(folder / "run"),
    }
    for key, value in changes.items():
        section, _, name = key.partition(".")
        config[section] = {**config[section], name: value} if name else value
    return config


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    return ftkit.train(run_config(tmp_path_factory.mktemp("chat"), checkpoint("llama")))


def test_results_and_proof(run: ftkit.RunResult) -> None:
    found = run.metrics
    assert found["test_loss"] < 0.2
    assert found["test_perplexity"] == pytest.approx(2.718281828 ** found["test_loss"])
    assert found["test_token_accuracy"] > 0.9
    assert (found["test_samples"], found["train_samples"]) == (6, 6)
    assert found["proof"]["texts_written"] == found["proof"]["texts_ended"] == 3
    assert found["proof"]["same_predictions"] is True
    assert found["proof"]["max_difference"] < 1e-5
    rows = [json.loads(line) for line in (run.output_dir / "predictions" / "test.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [0, 2, 4]
    assert [row["prediction"] for row in rows] == [TALKS[place][1] for place in (0, 2, 4)]


def test_report_and_card(run: ftkit.RunResult) -> None:
    page = (run.output_dir / "report.html").read_text(encoding="utf-8")
    assert "What it answers" in page
    assert "3 of 6 rows, the same in every run." in page
    card = (run.output_dir / "README.md").read_text(encoding="utf-8")
    assert "tokenizer.apply_chat_template(messages, add_generation_prompt=True" in card
    assert "pipeline_tag: text-generation" in card
    assert "| Token accuracy |" in card


def test_plain_peft_answers_the_same(run: ftkit.RunResult, checkpoint: Checkpoint) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer, GenerationConfig, pipeline

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")  # peft asks for it
        model: Any = AutoPeftModelForCausalLM.from_pretrained(run.output_dir).eval().merge_and_unload()
    model.generation_config = GenerationConfig.from_pretrained(run.output_dir)
    write = pipeline("text-generation", model=model, tokenizer=AutoTokenizer.from_pretrained(run.output_dir))
    asked = [{"role": "user", "content": TALKS[2][0]}]
    written = write(asked, do_sample=False, return_full_text=False)[0]["generated_text"]
    assert written.strip() == TALKS[2][1]


def test_predict_and_evaluate(run: ftkit.RunResult, command: Command, tmp_path: Path) -> None:
    predictor = ftkit.load(run.output_dir)
    talk: Any = [{"role": "user", "content": TALKS[0][0]}]
    assert [row["prediction"] for row in predictor.predict([TALKS[1][0], talk])] == [TALKS[1][1], TALKS[0][1]]
    rows = write_talks(tmp_path)
    code, _, _ = command("predict", run.output_dir, "--input", rows, "--output", tmp_path / "answers.jsonl")
    answers = [json.loads(line)["prediction"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert (code, answers) == (0, [answer for _, answer in TALKS])
    found = predictor.evaluate(rows)
    assert found["loss"] == pytest.approx(run.metrics["test_loss"], abs=1e-6)
    assert {"exact_match", "cut_off_share"}.isdisjoint(found), "nothing is written where no metric reads it"
    split = predictor.labelled(rows)
    scored = predictor.score(split, metrics=["exact_match", "chrf++"])
    assert (scored["exact_match"], scored["chrf++"], scored["samples"]) == (1.0, 100.0, 6)


def test_rows_that_cannot_be_answered_are_marked(run: ftkit.RunResult, command: Command, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "usr", "content": "x"}]}, {"messages": [{"role": "user", "content": TALKS[3][0]}]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, told = command("predict", run.output_dir, "--input", tmp_path / "rows.jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert found[0]["prediction"] is None
    assert "has in message 1 the role 'usr'" in found[0]["error"]
    assert found[1]["prediction"] == TALKS[3][1]
    assert "1 of 2 rows of" in told


def test_chat_in_the_terminal(run: ftkit.RunResult, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"{TALKS[0][0]}\n\n/reset\n/nothing\n{TALKS[1][0]}\n/exit\nnot read\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    code, out, told = command("chat", run.output_dir)
    assert code == 0
    assert [line.strip() for line in out.splitlines()] == [TALKS[0][1], TALKS[1][1]]
    assert "There is no /nothing." in told
    monkeypatch.setattr("sys.stdin", io.StringIO(TALKS[3][0]))
    assert command("chat", run.output_dir)[1].strip() == TALKS[3][1]


def test_an_answer_that_is_stopped_is_kept_as_far_as_it_was_told(run: ftkit.RunResult) -> None:
    from ftkit.inference.chat import Chat

    chat = Chat(ftkit.load(run.output_dir), system="our team")

    def stop(piece: str) -> None:
        raise KeyboardInterrupt

    found = chat.answer(TALKS[1][0], stop)
    assert found["cut_off"]
    assert [message["role"] for message in chat.messages] == ["system", "user", "assistant"]
    chat.reset()
    assert chat.messages == [{"role": "system", "content": "our team"}]


def test_check_shows_what_is_learnt(checkpoint: Checkpoint, command: Command, tmp_path: Path) -> None:
    config = run_config(tmp_path, checkpoint("llama"))
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    code, out, _ = command("check", tmp_path / "config.yaml", "--show", "1")
    assert code == 0
    assert re.search(r"^ +\d+ tokens in 6 rows, \d+ of them learnt$", out, re.MULTILINE)
    (learnt,) = [line for line in out.splitlines() if line.startswith("  learnt")]
    assert learnt == "  learnt   our· team·</s>"
    assert "line 1 (id 0): " in out
    assert ", 3 of them learnt" in out
    longest = max(
        map(int, re.findall(r": (\d+) tokens, ", command("check", tmp_path / "config.yaml", "--show", "6")[1]))
    )
    code, _, told = command("check", tmp_path / "config.yaml", f"data.max_length={longest - 1}")
    assert code == 0
    assert re.search(
        r"of train \(\d rows?\) is longer than the model reads up to its first answer, and is left out", told
    )


def test_check_finds_a_row_that_the_template_cannot_write(
    checkpoint: Checkpoint, command: Command, tmp_path: Path
) -> None:
    """Also one that is none of the longest, of which check encodes more than of others."""
    config = run_config(tmp_path, checkpoint("llama"))
    rows = [json.loads(line) for line in Path(config["data"]["train"]).read_text().splitlines()] * 3
    said = rows[1]["messages"]
    rows.insert(
        1,
        {
            "messages": [said[0], {**said[1], "content": "no"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    )
    (tmp_path / "tools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config["data"]["test"] = str(tmp_path / "tools.jsonl")
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    code, _, told = command("check", tmp_path / "config.yaml")
    assert code == 2
    assert f"error: {tmp_path / 'tools.jsonl'}, line 2 (id 1): the chat template of " in told
    assert "Fix: data.chat_template: chatml, which has" in told


def test_packing_trains_on_the_same_tokens(checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = run_config(tmp_path, checkpoint("llama"), **{"data.packing": True, "data.test": None})
    config["train"] = {"max_steps": 2, "learning_rate": 1e-2, "use_cpu": True}
    packed = ftkit.train(config)
    data = {**config["data"], "packing": False}
    apart = ftkit.train({**config, "data": data, "output_dir": str(tmp_path / "apart")})
    assert packed.metrics["train_samples"] == apart.metrics["train_samples"] == 6
    assert packed.metrics["train_loss"] == pytest.approx(apart.metrics["train_loss"], abs=1e-5)
    assert packed.metrics["eval_loss"] == pytest.approx(apart.metrics["eval_loss"], abs=1e-4)


def test_what_is_wrong_is_told_before_anything_is_written(checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = run_config(tmp_path, checkpoint("llama"))
    for changes, error, message in (
        ({"chat_template": None}, ConfigError, "data.chat_template is missing"),
        ({"chat_template": "chatlm"}, ConfigError, "Did you mean 'chatml'?"),
        ({"format": "alpaca"}, DataError, "data.format is alpaca, but there is no column 'instruction'"),
    ):
        with pytest.raises(error, match=message.replace("?", r"\?")):
            ftkit.train({**config, "data": {**config["data"], **changes}})
    (tmp_path / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "is it"}]}\n' * 3)
    with pytest.raises(DataError, match=r"nothing to learn: no message is the assistant's \(3 times\)"):
        ftkit.train({**config, "data": {**config["data"], "train": str(tmp_path / "bad.jsonl")}})
    assert not (tmp_path / "run").exists()


def test_chat_needs_a_run_that_answers(checkpoint: Checkpoint, command: Command) -> None:
    code, _, told = command("chat", checkpoint("gpt2"), "--task", "text-generation")
    assert code == 2
    assert "does not answer conversations" in told


def test_plain_text(checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    text = "our team won the game\nwho won the cup\n\nwill it rain today\n\n"
    (tmp_path / "train.txt").write_text(text * 3)
    (tmp_path / "test.txt").write_text(text)
    data = {"train": str(tmp_path / "train.txt"), "test": str(tmp_path / "test.txt"), "documents": "blank_line"}
    data |= {"max_length": 16, "packing": True}
    config = run_config(tmp_path, checkpoint("gpt2"), data=data, tuner={"method": "full"})
    run = ftkit.train({**config, "train": {"max_steps": 30, "learning_rate": 1e-2, "use_cpu": True}})
    found = run.metrics
    assert (found["train_samples"], found["test_samples"]) == (6, 2)
    assert found["train_learnt_tokens"] == found["train_tokens"] - 6
    assert found["test_learnt_tokens"] == found["test_tokens"] - 2
    counted = f"{found['test_tokens']:,} tokens in "
    assert found["counted"]["test"].startswith(counted)
    assert counted in (run.output_dir / "report.html").read_text(encoding="utf-8")
    assert "Learnt tokens" not in (run.output_dir / "README.md").read_text(encoding="utf-8"), "it is no score"
    # Of first tokens, which are letters here, nothing is told.
    num_bytes = len("ur team won the game\nwho won the cup") + len("ill it rain today")
    items = found["test_loss"] and found["test_bits_per_byte"] * 0.6931471805599453 * num_bytes / found["test_loss"]
    assert items == pytest.approx(round(items), abs=1e-6)
    assert not (run.output_dir / "predictions").exists()
    assert found["proof"]["max_difference"] == 0
    code, out, _ = command("predict", run.output_dir, "--text", "will it rain", "--max-new-tokens", "12")
    assert code == 0
    assert json.loads(out)["prediction"] == "today"
    scored = ftkit.load(run.output_dir).evaluate(str(tmp_path / "test.txt"))
    assert scored["perplexity"] == pytest.approx(found["test_perplexity"])
    base = ["evaluate", checkpoint("gpt2"), "--task", "text-generation", "--data", tmp_path / "test.txt"]
    code, out, _ = command(*base, "--documents", "blank_line")
    assert (code, json.loads(out)["samples"]) == (0, 2)
    in_windows = json.loads(command(*base, "--documents", "blank_line", "--max-length", "8")[1])
    assert in_windows["learnt_tokens"] == json.loads(out)["learnt_tokens"]
    assert in_windows["perplexity"] != pytest.approx(json.loads(out)["perplexity"], rel=1e-6)
    code, _, told = command("evaluate", run.output_dir, "--data", tmp_path / "test.txt", "--max-length", "8")
    assert code == 2
    assert "--max-length 8: " in told
    assert json.loads(out)["perplexity"] > found["test_perplexity"]
    with pytest.raises(DataError, match="documents are not answered, and a metric reads answers"):
        ftkit.train({**config, "metrics": ["chrf++"], "output_dir": str(tmp_path / "other")})
