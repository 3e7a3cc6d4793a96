"""Twelve small runs whose numbers must not change while the code is rearranged.

    python tests/golden_runs.py record before.json
    python tests/golden_runs.py compare before.json

Each run is trained on one thread in float32, in a process of its own; losses, hashes of the final weights, predictions
and scores are compared to the last bit. They hold for one machine and one set of versions: record before a change and
compare after it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

import tiny
from runs import run_config, tagging_config, translation_config

Make = Callable[[Path, Path], dict[str, Any]]
FP32 = {"train.precision": "fp32", "train.logging_steps": 1}
LORA = {"tuner": {"method": "lora", "rank": 4}}


def _classify(**overrides: Any) -> Make:
    settings = {"train.num_train_epochs": 2, **FP32, **overrides}
    return lambda folder, checkpoint: run_config(folder, checkpoint, **settings)


def _tag(**overrides: Any) -> Make:
    return lambda folder, checkpoint: tagging_config(folder, checkpoint, **FP32, **overrides)


def _translate(**overrides: Any) -> Make:
    return lambda folder, checkpoint: translation_config(folder, checkpoint, **FP32, **overrides)


RUNS: dict[str, tuple[str, Make]] = {
    "classify-encoder-full": ("bert", _classify()),
    "classify-encoder-lora": ("roberta", _classify(**LORA)),
    "classify-encoder-head-only": ("distilbert", _classify(tuner={"method": "head-only"})),
    "classify-decoder-full-weights": ("llama", _classify(**{"train.class_weights": "balanced"})),
    "classify-encoder-decoder-lora": ("t5", _classify(**LORA)),
    "classify-resumed": ("bert", _classify(**{"train.num_train_epochs": 6})),
    "classify-two-processes": ("bert", _classify()),
    "tag-encoder-windows": ("bert", _tag(**{"data.max_length": 8, "data.window_overlap": 2})),
    "tag-decoder-lora": ("gpt2", _tag(**LORA)),
    "translate-encoder-decoder-beams": ("marian", _translate(generation={"num_beams": 3})),
    "translate-encoder-decoder-lora": ("t5", _translate(**LORA)),
    "translate-decoder-full": ("gpt2", _translate(**{"data.prompt_template": "{source} ="})),
}
"""Name -> the tiny checkpoint and what makes the config."""


def main() -> int:
    """Records or compares, and returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("verb", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="*", choices=RUNS, help="some of the runs")
    arguments = parser.parse_args()
    names = arguments.only or list(RUNS)
    with tempfile.TemporaryDirectory() as place:
        found = {name: _facts(_train(name, Path(place) / name)) for name in names}
    if arguments.verb == "record":
        arguments.file.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} runs recorded in {arguments.file}")
        return 0
    recorded = json.loads(arguments.file.read_text())
    different = [line for name in names for line in differences(name, recorded.get(name), found[name])]
    print("\n".join(different) or f"{len(names)} runs are as they were recorded")
    return 1 if different else 0


def differences(name: str, before: Any, now: Any) -> Iterator[str]:
    """Yields a line for every value that differs, by its path: `tag-decoder-lora.scores.test_f1: 0.5, was 0.4`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from differences(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now:
        yield f"{name}: {now}, was {before}"


def _train(name: str, folder: Path) -> Path:
    """Trains one of the runs and returns its directory."""
    model_type, make = RUNS[name]
    config = make(folder, tiny.make_checkpoint(model_type, folder / "checkpoint"))
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "ftkit", "train", str(file)]
    if name.endswith("two-processes"):
        launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
        command = [sys.executable, *launch, *command[1:]]
    if name.endswith("resumed"):
        _start_and_kill(command, Path(config["output_dir"]))
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    print(f"{name} done", file=sys.stderr)
    return Path(config["output_dir"])


def _start_and_kill(command: list[str], run: Path) -> None:
    """Starts a run and kills it once it has a whole checkpoint; where exactly makes no difference to the result."""
    process = subprocess.Popen(command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(run.glob("checkpoints/checkpoint-*/manifest.json")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    if (run / "all_results.json").is_file():  # it was quicker than we were
        shutil.rmtree(run)
        _start_and_kill(command, run)


def _environment() -> dict[str, str]:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"), "1")
    return {**os.environ, **one_thread, **offline}


def _facts(run: Path) -> dict[str, Any]:
    """Returns what must not change of a finished run."""
    results = json.loads((run / "all_results.json").read_text())
    states = sorted(
        (run / "checkpoints").glob("checkpoint-*/trainer_state.json"), key=lambda path: path.stat().st_mtime
    )
    history = json.loads(states[-1].read_text())["log_history"]
    return {
        "losses": [entry["loss"] for entry in history if "loss" in entry],
        "eval_losses": [entry["eval_loss"] for entry in history if "eval_loss" in entry],
        "weights": {path.name: _digest(path) for path in sorted(run.glob("*.safetensors"))},
        "predictions": {path.name: _digest(path) for path in sorted((run / "predictions").iterdir())},
        "scores": {key: value for key, value in results.items() if _is_score(key, value)},
    }


def _is_score(key: str, value: Any) -> bool:
    is_speed = key.endswith(("runtime", "per_second"))
    return key.startswith(("eval_", "test_", "num_", "best_")) and isinstance(value, (int, float)) and not is_speed


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main())
