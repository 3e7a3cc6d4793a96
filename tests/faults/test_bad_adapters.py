"""Every mistake a user can make with tuners and trained adapters: one message, exit code 2, nothing written.

They go through the command line, as a user's do.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
from adapter_runs import write_adapter_run
from ftkit.config import yaml as strict_yaml
from ftkit.errors import CheckpointError, UserError
from runs import run_config, tagging_config, translation_config

Checkpoint = Callable[[str], Path]
Change = Callable[[Path], None]
LABELS = ("card", "food", "sport", "weather")
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(command: Callable[..., tuple[int, str, str]]) -> Command:
    """`command("train", path)` is its exit code and its message."""

    def call(*arguments: object) -> tuple[int, str]:
        code, _, told = command(*arguments)
        assert "Traceback" not in told
        return code, " ".join(told[told.rindex("error: ") :].split())

    return call


@pytest.fixture(scope="module")
def adapter(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a LoRA on BERT; tests copy it."""
    return write_adapter_run(tmp_path_factory.mktemp("adapter") / "run", checkpoint("bert"), labels=LABELS)


def refuse(command: Command, folder: Path, config: dict[str, Any], *parts: str) -> None:
    """Trains, and makes sure of the message and that nothing is written."""
    path = folder / "config.yaml"
    path.write_text(strict_yaml.dump(config), encoding="utf-8")
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    code, told = command("train", path)
    assert code == 2
    for part in parts:
        assert part in told
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before


# --- the tuner section ---


@pytest.mark.parametrize(
    ("tuner", "parts"),
    [
        ({"method": "lroa"}, ["tuner.method: got the text 'lroa'", "Did you mean 'lora'?"]),
        ({"method": "lora", "rank": 0}, ["tuner.rank: expected a number above 0"]),
        ({"method": "lora", "target_modules": ["qeury"]}, ["no layer 'qeury'", "Did you mean 'query'?"]),
        ({"method": "prompt", "rank": 4}, ["prompt does not read rank", "It takes num_virtual_tokens"]),
        ({"method": "prefix"}, ["prefix does not suit text-classification", "encoders take no keys", "Choose lora"]),
        ({"method": "last-layers", "num_layers": 3}, ["tuner.num_layers", "the checkpoint has 2. Say fewer."]),
        ({"method": "pissa", "rank": 40}, ["tuner.rank", "has 32. Say at most that many."]),
        (
            {"method": "prompt", "num_virtual_tokens": 200},
            ["tuner.num_virtual_tokens", "reads 128 tokens. Say fewer."],
        ),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_bad_tuner_section(
    tuner: dict[str, Any], parts: list[str], checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    refuse(command, tmp_path, run_config(tmp_path, checkpoint("bert"), tuner=tuner), *parts)


@pytest.mark.parametrize(
    ("config", "model_type", "method", "part"),
    [
        (run_config, "llama", "bitfit", "bitfit trains biases, and llama checkpoints have none. Choose lora."),
        (run_config, "gpt2", "prompt", "prompt does not suit text-classification"),
        (tagging_config, "t5", "prefix", "prefix does not suit token-classification"),
        (translation_config, "marian", "head-only", "lacks nothing. Choose lora, or last-layers."),
        (translation_config, "pegasus", "p-tuning", "p-tuning does not suit pegasus checkpoints"),
    ],
)
def test_a_method_that_does_not_suit(
    config: Callable[..., dict[str, Any]],
    model_type: str,
    method: str,
    part: str,
    checkpoint: Checkpoint,
    tmp_path: Path,
    command: Command,
) -> None:
    refuse(command, tmp_path, config(tmp_path, checkpoint(model_type), tuner={"method": method}), part)


# --- trained adapters: to predict with, and to start from ---


def truncated(run: Path) -> None:
    file = run / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def flipped(run: Path) -> None:
    file = run / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1  # loads without complaint in plain peft
    file.write_bytes(bytes(content))


def without(name: str) -> Change:
    return lambda run: (run / name).unlink()


def unfinished(run: Path) -> None:
    (run / "all_results.json").unlink()


def other_base(run: Path) -> None:
    """Puts other weights where the base was, and the run where no way leads to the right ones."""
    lines = (run / "ftkit.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if "from_run" not in line)
    base = strict_yaml.load(text, "ftkit.yaml")[0]["model"]["checkpoint"]
    moved = shutil.copytree(base, run.parent / "base")
    content = bytearray((moved / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (moved / "model.safetensors").write_bytes(bytes(content))
    (run / "ftkit.yaml").write_text(text.replace(base, str(moved)), encoding="utf-8")


def no_run(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()
    (run / "notes.txt").write_text("something else")


DAMAGES: dict[str, tuple[Change, str]] = {
    "truncated": (truncated, "is not the file that the run wrote"),
    "a flipped bit": (flipped, "its SHA-256 differs from the one in ftkit.yaml"),
    "no weights": (without("adapter_model.safetensors"), "adapter_model.safetensors is missing. Copy the whole run"),
    "no config of the run": (without("ftkit.yaml"), "is not a run of ftkit: it holds no ftkit.yaml"),
    "unfinished": (unfinished, "holds a run that was not finished"),
    "no run": (no_run, "is not a run of ftkit"),
    "gone": (shutil.rmtree, "No run "),
}
every_damage = pytest.mark.parametrize("name", DAMAGES)


@pytest.mark.parametrize("name", [name for name in DAMAGES if name != "no config of the run"])
def test_a_damaged_adapter_does_not_predict(name: str, adapter: Path, tmp_path: Path, command: Command) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    damage, part = DAMAGES[name]
    damage(run)
    code, told = command("predict", run, "--text", "rain")
    assert code == 2
    assert part in told


def test_without_the_config_of_the_run_it_is_a_plain_adapter(adapter: Path, tmp_path: Path) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    (run / "ftkit.yaml").unlink()
    texts = ["rain today", "my card was lost"]
    expected = ftkit.load(adapter).predict(texts)
    for found, other in zip(ftkit.load(run).predict(texts), expected, strict=True):
        assert found["scores"] == pytest.approx(other["scores"], abs=1e-6)


@every_damage
def test_a_damaged_adapter_is_not_continued(
    name: str, adapter: Path, checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    damage, part = DAMAGES[name]
    damage(run)
    config = run_config(tmp_path, checkpoint("bert"), tuner={"method": "lora"}, **{"model.adapter": str(run)})
    refuse(command, tmp_path, config, part)


def test_the_config_of_an_adapter_is_needed(adapter: Path, tmp_path: Path, command: Command) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    (run / "adapter_config.json").unlink()
    code, told = command("predict", run, "--text", "rain")
    assert code == 2
    assert "holds no trained adapter: there is no adapter_config.json" in told


def test_a_name_close_to_the_run_s_is_offered(adapter: Path, tmp_path: Path, command: Command) -> None:
    shutil.copytree(adapter, tmp_path / "banking")
    code, told = command("predict", tmp_path / "bankin", "--text", "rain")
    assert code == 2
    assert "Did you mean 'banking'?" in told


def test_an_adapter_does_not_predict_on_another_base(adapter: Path, tmp_path: Path, command: Command) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    other_base(run)
    code, told = command("predict", run, "--text", "rain")
    assert code == 2
    assert "is not the base of the adapter" in told
    assert "Name the checkpoint it was trained on" in told


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_an_adapter_is_not_continued_on_another_base(
    model_type: str, adapter: Path, checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    other = shutil.copytree(checkpoint(model_type), tmp_path / "other")
    if model_type == "bert":
        content = bytearray((other / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (other / "model.safetensors").write_bytes(bytes(content))
    config = run_config(tmp_path, other, tuner={"method": "lora"}, **{"model.adapter": str(adapter)})
    refuse(command, tmp_path, config, "is not the base of the adapter", "those of")


@pytest.mark.parametrize("tuner", [{"method": "dora"}, {"method": "lora", "rank": 4}, {"method": "full"}])
def test_another_tuner_does_not_continue(
    tuner: dict[str, Any], adapter: Path, checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    config = run_config(tmp_path, checkpoint("bert"), tuner=tuner, **{"model.adapter": str(adapter)})
    refuse(command, tmp_path, config, "was trained with another tuner", "tuner: {method: lora}")


@pytest.mark.parametrize(
    ("method", "part"),
    [("pissa", "cannot be continued as pissa. Merge it"), ("p-tuning", "cannot be continued. Start anew")],
)
def test_what_is_saved_otherwise_than_trained_is_not_continued(
    method: str, part: str, checkpoint: Checkpoint, tmp_path: Path, command: Command
) -> None:
    run = write_adapter_run(tmp_path / "before", checkpoint("bert"), method, labels=LABELS)
    config = run_config(tmp_path, checkpoint("bert"), tuner={"method": method}, **{"model.adapter": str(run)})
    refuse(command, tmp_path, config, "model.adapter:", part)


def test_a_full_run_is_no_adapter(checkpoint: Checkpoint, tmp_path: Path, command: Command) -> None:
    full = ftkit.train(run_config(tmp_path / "full", checkpoint("bert"), **{"train.max_steps": 1})).output_dir
    config = run_config(tmp_path, checkpoint("bert"), tuner={"method": "lora"}, **{"model.adapter": str(full)})
    refuse(command, tmp_path, config, "saved a whole model (tuner: full), not a trained adapter", "model.checkpoint")


def test_an_adapter_is_no_checkpoint(adapter: Path, tmp_path: Path, command: Command) -> None:
    """Its folder holds a config.json, but the weights are somewhere else."""
    config = run_config(tmp_path, adapter)
    refuse(command, tmp_path, config, "holds a trained adapter", "this folder as model.adapter", "ftkit merge")


# --- the library tells the same ---


def test_ftkit_load_refuses_a_damaged_adapter(adapter: Path, tmp_path: Path) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    flipped(run)
    with pytest.raises(CheckpointError, match="is not the file that the run wrote"):
        ftkit.load(run)
    no_run(run)
    with pytest.raises(UserError, match="is not a run of ftkit"):
        ftkit.load(run)


def test_a_truncated_file_of_the_right_hash_is_one_message_too(adapter: Path, tmp_path: Path) -> None:
    """As after an edit of ftkit.yaml by hand."""
    from ftkit.models.fingerprint import file_fingerprint

    run = shutil.copytree(adapter, tmp_path / "copy")
    file = run / "adapter_model.safetensors"
    before = file_fingerprint(file)
    truncated(run)
    text = (run / "ftkit.yaml").read_text(encoding="utf-8")
    (run / "ftkit.yaml").write_text(text.replace(before, file_fingerprint(file)), encoding="utf-8")
    with pytest.raises(CheckpointError, match="the trained adapter cannot be loaded: .* Copy the run directory again"):
        ftkit.load(run)


def test_a_config_of_another_rank_is_one_message_too(adapter: Path, tmp_path: Path) -> None:
    run = shutil.copytree(adapter, tmp_path / "copy")
    config = json.loads((run / "adapter_config.json").read_text(encoding="utf-8"))
    (run / "adapter_config.json").write_text(json.dumps({**config, "r": 3}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="the trained adapter cannot be loaded"):
        ftkit.load(run)
