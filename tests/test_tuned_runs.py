"""Whole runs with a tuner: resumed, continued, at their best, and loaded for prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import ftkit
from ftkit.config.run_config import load_config
from ftkit.engine import checkpoints
from ftkit.engine.arguments import training_arguments
from ftkit.errors import ConfigError
from ftkit.tuners.spec import METHODS
from runs import TEXTS, falling_metric, run_config, tagging_config, translation_config, write_csv

Checkpoint = Callable[[str], Path]
LORA = {"method": "lora", "rank": 4}
SHORT = {"train.num_train_epochs": 2}


def adapter_tensors(run: ftkit.RunResult) -> dict[str, torch.Tensor]:
    return load_file(run.output_dir / "adapter_model.safetensors")


def assert_same_tensors(one: ftkit.RunResult, other: ftkit.RunResult, *, atol: float = 0.0) -> None:
    first, second = adapter_tensors(one), adapter_tensors(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.allclose(first[name], second[name], atol=atol, rtol=0)] == []


def predictions(run: ftkit.RunResult, split: str = "test") -> list[dict[str, Any]]:
    rows = (run.output_dir / "predictions" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(row).items() if name != "id"} for row in rows]


def history(run: ftkit.RunResult, key: str) -> list[float]:
    """Returns what was logged under a key, from the newest checkpoint."""
    newest = checkpoints.steps_of(run.output_dir / "checkpoints")[0]
    state = json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))
    return [entry[key] for entry in state["log_history"] if key in entry]


@pytest.fixture(scope="module")
def lora(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    """Two epochs of LoRA with validation."""
    return ftkit.train(run_config(tmp_path_factory.mktemp("lora"), checkpoint("bert"), tuner=LORA, **SHORT))


# --- what it leaves ---


def test_the_directory_holds_an_adapter_and_no_model(lora: ftkit.RunResult) -> None:
    names = {path.name for path in lora.output_dir.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json", "ftkit.yaml"} <= names
    assert "model.safetensors" not in names
    assert (lora.output_dir / "adapter_model.safetensors").stat().st_size < 100_000


def test_results_count_what_was_trained(lora: ftkit.RunResult) -> None:
    tensors = adapter_tensors(lora)
    assert lora.metrics["num_trainable_parameters"] == sum(tensor.numel() for tensor in tensors.values())
    assert lora.metrics["num_trainable_parameters"] < lora.metrics["num_parameters"] / 2
    assert lora.metrics["proof"]["same_predictions"] is True
    assert len(history(lora, "eval_loss")) == 2


def test_load_predicts_what_the_run_did(lora: ftkit.RunResult) -> None:
    found = ftkit.load(lora.output_dir, device="cpu").predict([text for text, _ in TEXTS[24:]])
    expected = predictions(lora)
    assert [row["label"] for row in found] == [row["label"] for row in expected]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-6)


def test_evaluate_scores_what_the_run_did(lora: ftkit.RunResult, tmp_path: Path) -> None:
    found = ftkit.load(lora.output_dir, device="cpu").evaluate(str(write_csv(tmp_path / "test.csv", TEXTS[24:])))
    assert found["accuracy"] == lora.metrics["test_accuracy"]
    assert found["loss"] == pytest.approx(lora.metrics["test_loss"], abs=1e-6)


# --- resuming ---

STEPS = {
    "train.save_strategy": "steps",
    "train.save_steps": 1,
    "train.eval_strategy": "no",
    "train.num_train_epochs": 3,
    "train.save_total_limit": 1,
}
ONE_STOP = {**STEPS, "train.save_steps": 4, "train.num_train_epochs": 2}
"""Six steps, of which the fourth is saved, in the middle of the second epoch."""


def interrupt_at(step: int) -> Callable[..., None]:
    def rotate(folder: Path, **_: Any) -> None:
        if (folder / f"checkpoint-{step}").is_dir():
            raise KeyboardInterrupt

    return rotate


def assert_resumes_exactly(make: Callable[[Path], dict[str, Any]], folder: Path, steps: tuple[int, ...]) -> None:
    """Trains once without and once with an interruption at each of some steps, and compares all tensors."""
    whole = ftkit.train(make(folder / "whole"))
    config = make(folder / "killed")
    for step in steps:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(checkpoints, "rotate", interrupt_at(step))
            ftkit.train(config, {"resume": step != steps[0]})
    resumed = ftkit.train(config, {"resume": True})
    assert resumed.metrics["num_steps"] == whole.metrics["num_steps"]
    assert_same_tensors(whole, resumed)


@pytest.mark.parametrize(
    "tuner",
    [
        {**LORA, "dropout": 0.2},
        {"method": "dora", "rank": 4},
        {"method": "pissa", "rank": 4},
        {"method": "ia3"},
        {"method": "bitfit"},
        # Kept outputs were computed in batches of another epoch, which differ by rounding.
        {"method": "last-layers", "num_layers": 1, "cache_frozen": False},
        {"method": "prompt", "num_virtual_tokens": 4},
        {"method": "p-tuning", "num_virtual_tokens": 4},
    ],
    ids=lambda tuner: tuner["method"],
)
def test_a_resumed_run_ends_with_the_same_weights(
    tuner: dict[str, Any], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    def make(folder: Path) -> dict[str, Any]:
        return run_config(folder, checkpoint("bert"), tuner=tuner, **ONE_STOP)

    assert_resumes_exactly(make, tmp_path, (4,))


def test_adalora_resumes_while_ranks_go_and_after(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Of nine steps the first is left alone, ranks go from the second to the sixth, and three follow."""

    def make(folder: Path) -> dict[str, Any]:
        return run_config(folder, checkpoint("bert"), tuner={"method": "adalora", "rank": 2}, **STEPS)

    assert_resumes_exactly(make, tmp_path, (4, 5, 7))


def test_a_prefix_resumes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    def make(folder: Path) -> dict[str, Any]:
        tuner = {"method": "prefix", "num_virtual_tokens": 4}
        return tagging_config(folder, checkpoint("gpt2"), tuner=tuner, **STEPS)

    assert_resumes_exactly(make, tmp_path, (3,))


# --- the best checkpoint ---


@pytest.mark.parametrize("method", ["lora", "pissa", "adalora", "bitfit", "prompt", "p-tuning"])
def test_a_run_ends_with_its_best_checkpoint(method: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    best = {"metric_for_best_model": "falling", "num_train_epochs": 3, "learning_rate": 0.02}
    settings = {f"train.{name}": value for name, value in best.items()}
    settings["metrics"] = ["accuracy", falling_metric(tmp_path)]
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), tuner={"method": method}, **settings))
    first, *_, last = history(run, "eval_loss")
    assert first > last + 1e-3
    assert run.metrics["best_step"] == 3
    assert run.metrics["eval_loss"] == pytest.approx(first, abs=1e-6)
    found = ftkit.load(run.output_dir, device="cpu", trust_remote_code=True).evaluate(str(tmp_path / "validation.csv"))
    assert found["loss"] == pytest.approx(first, abs=1e-6)


# --- starting from a trained adapter ---

NO_CHANGE = {"train.learning_rate": 0.0, "train.max_steps": 1}


def test_an_adapter_is_continued_where_it_was(lora: ftkit.RunResult, checkpoint: Checkpoint, tmp_path: Path) -> None:
    more = {"model.adapter": str(lora.output_dir), "tuner": LORA, "train.eval_on_start": True}
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), **more, **SHORT))
    assert history(run, "eval_loss")[0] == pytest.approx(lora.metrics["eval_loss"], abs=1e-6)
    assert run.metrics["eval_loss"] < lora.metrics["eval_loss"] - 1e-3
    assert load_config(run.output_dir / "ftkit.yaml").model.adapter == str(lora.output_dir)


@pytest.mark.parametrize("method", ["dora", "adalora", "ia3", "bitfit", "layernorm", "last-layers", "prompt"])
def test_every_method_is_continued_where_it_was(method: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    tuner = {"method": method}
    before = ftkit.train(run_config(tmp_path / "before", checkpoint("bert"), tuner=tuner, **SHORT))
    more = {"tuner": tuner, "model.adapter": str(before.output_dir), "train.eval_on_start": True, **NO_CHANGE}
    after = ftkit.train(run_config(tmp_path / "after", checkpoint("bert"), **more))
    assert history(after, "eval_loss")[0] == pytest.approx(before.metrics["eval_loss"], abs=1e-6)
    if method != "adalora":  # which starts to take ranks away anew
        assert_same_tensors(before, after)


def test_an_adapter_is_carried_to_other_labels(lora: ftkit.RunResult, checkpoint: Checkpoint, tmp_path: Path) -> None:
    more = {"model.adapter": str(lora.output_dir), "tuner": LORA}
    config = run_config(tmp_path, checkpoint("bert"), **more, **NO_CHANGE)
    two = [(text, "sport" if label == "sport" else "other") for text, label in TEXTS]
    for name, part in (("train", two[:24]), ("validation", two[16:24]), ("test", two[24:])):
        write_csv(tmp_path / f"{name}.csv", part)
    assert_carried(lora, ftkit.train(config))


def test_an_adapter_is_carried_to_another_task(lora: ftkit.RunResult, checkpoint: Checkpoint, tmp_path: Path) -> None:
    more = {"model.adapter": str(lora.output_dir), "tuner": LORA}
    assert_carried(lora, ftkit.train(tagging_config(tmp_path, checkpoint("bert"), **more, **NO_CHANGE)))


def test_virtual_tokens_are_carried_to_another_task(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tuner = {"method": "prompt", "num_virtual_tokens": 4}
    before = ftkit.train(run_config(tmp_path / "before", checkpoint("bert"), tuner=tuner, **SHORT))
    more = {"model.adapter": str(before.output_dir), "tuner": tuner}
    after = ftkit.train(tagging_config(tmp_path / "after", checkpoint("bert"), **more, **NO_CHANGE))
    old, new = adapter_tensors(before), adapter_tensors(after)
    assert torch.equal(old["prompt_embeddings"], new["prompt_embeddings"])
    assert not torch.equal(old["base_model.classifier.bias"], new["base_model.classifier.bias"][:4])


def assert_carried(before: ftkit.RunResult, after: ftkit.RunResult) -> None:
    """The low-rank changes are the old ones, the head is new."""
    old, new = adapter_tensors(before), adapter_tensors(after)
    changes = [name for name in old if ".lora_" in name]
    assert changes
    assert [name for name in changes if not torch.equal(old[name], new[name])] == []
    head = "base_model.model.classifier.weight"
    assert old[head].shape != new[head].shape
    assert after.metrics["proof"]["same_predictions"] is True


# --- settings ---


@pytest.mark.parametrize("method", METHODS)
def test_the_learning_rate_is_the_method_s_own_unless_it_is_set(method: str, tmp_path: Path) -> None:
    config = run_config(tmp_path, tmp_path / "unread", tuner={"method": method})
    own = METHODS[method].learning_rate
    keys: dict[str, Any] = {"learning_rate": own, "primary_metric": "accuracy", "has_validation": True}
    assert training_arguments(load_config(config).train, tmp_path, **keys).learning_rate == 5e-3
    del config["train"]["learning_rate"]
    assert training_arguments(load_config(config).train, tmp_path, **keys).learning_rate == own


@pytest.mark.parametrize(("tuner", "expected"), [(LORA, METHODS["lora"].learning_rate), ({"method": "full"}, 5e-5)])
def test_a_run_that_sets_none_trains_with_the_method_s_own(
    tuner: dict[str, Any], expected: float, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    steps = {"train.max_steps": 1, "train.logging_steps": 1}
    config = run_config(tmp_path, checkpoint("bert"), tuner=tuner, **steps)
    del config["train"]["learning_rate"]
    assert history(ftkit.train(config), "learning_rate") == [pytest.approx(expected)]


@pytest.mark.parametrize("model_type", ["bert", "t5"])
def test_activation_checkpointing_computes_the_same(model_type: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    runs = [
        ftkit.train(
            run_config(
                tmp_path / str(again),
                checkpoint(model_type),
                tuner=LORA,
                **SHORT,
                **{"train.activation_checkpointing": again},
            )
        )
        for again in (False, True)
    ]
    assert_same_tensors(*runs, atol=1e-5)  # gradients of what layers share are summed in another order


def test_a_prefix_would_learn_nothing_under_activation_checkpointing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    more = {"tuner": {"method": "prefix"}, "train.activation_checkpointing": True}
    with pytest.raises(ConfigError, match="prefix would learn nothing"):
        ftkit.train(tagging_config(tmp_path, checkpoint("gpt2"), **more))


@pytest.mark.parametrize("num_steps", [1, 2])
def test_the_shortest_runs_of_adalora(num_steps: int, checkpoint: Checkpoint, tmp_path: Path) -> None:
    more = {"tuner": {"method": "adalora"}, "train.max_steps": num_steps}
    assert ftkit.train(run_config(tmp_path, checkpoint("bert"), **more)).metrics["num_steps"] == num_steps


# --- virtual tokens take up positions ---

LONG = "the rain will not stop today " * 40


@pytest.mark.parametrize(("model_type", "method"), [("bert", "prompt"), ("roberta", "p-tuning")])
def test_long_texts_leave_room_for_virtual_tokens(
    model_type: str, method: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    config = run_config(tmp_path, checkpoint(model_type), tuner={"method": method}, **{"train.max_steps": 1})
    write_csv(tmp_path / "train.csv", [*TEXTS[:24], (LONG, "weather")])
    run = ftkit.train(config)
    assert run.metrics["train_truncated_samples"] == 1
    assert load_config(run.output_dir / "ftkit.yaml").run.max_length == 128 - 20
    assert ftkit.load(run.output_dir, device="cpu").predict([LONG])[0]["label"]


@pytest.mark.parametrize(
    ("model_type", "method"), [("marian", "prompt"), ("marian", "prefix"), ("gpt2", "prompt"), ("gpt2", "prefix")]
)
def test_long_texts_are_translated_beside_virtual_tokens(
    model_type: str, method: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    template = {"data.prompt_template": "{source} is"} if model_type == "gpt2" else {}
    config = translation_config(
        tmp_path, checkpoint(model_type), tuner={"method": method}, **template, **{"train.max_steps": 1}
    )
    del config["data"]["validation"]  # texts are written to their longest each time
    with Path(config["data"]["train"]).open("a") as file:
        file.write(f"{LONG}\t{LONG}\n")
    run = ftkit.train(config)
    assert len(ftkit.load(run.output_dir, device="cpu").predict([LONG, "rain"])) == 2
    assert ftkit.load(run.output_dir, device="cpu", max_new_tokens=1000).predict([LONG])


def test_too_many_virtual_tokens_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    tuner = {"method": "prompt", "num_virtual_tokens": 127}
    with pytest.raises(ConfigError, match="127 virtual tokens leave no room for a text: .* reads 128 tokens"):
        ftkit.train(run_config(tmp_path, checkpoint("bert"), tuner=tuner))
