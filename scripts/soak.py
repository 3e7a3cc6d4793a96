"""Kills runs at random moments and starts them again by the same command, until all of them have ended.

    python scripts/soak.py --kills 100 --seed 0

Each run is killed again and again, wherever it is: before its first step, in a step, while it saves, evaluates, or is
published. What it ends with must be what a run ends with that was left alone: weights, predictions and results to the
last bit. Runs are forked from one process that has imported everything, so that a start costs no seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEMO = {"train": "ftkit:support/train.csv", "validation": 0.2, "test": "ftkit:support/test.csv"}
TRAIN = {"num_train_epochs": 3, "learning_rate": 1e-3, "per_device_train_batch_size": 32, "precision": "fp32"}
CONFIG: dict[str, Any] = {
    "task": "text-classification",
    "model": {"checkpoint": "ftkit:bert"},
    "data": {**DEMO, "columns": {"text": "text", "label": "intent"}},
    "train": {**TRAIN, "use_cpu": True},
}
VARIANTS: Mapping[str, dict[str, Any]] = {
    "epochs": {},
    "steps": {"train": {"save_strategy": "steps", "eval_strategy": "steps", "eval_steps": 4, "save_steps": 4}},
    "early": {"train": {"num_train_epochs": 12, "early_stopping_patience": 1}},
    "lora": {"tuner": {"method": "lora", "rank": 4}},
    "accumulation": {"train": {"gradient_accumulation_steps": 3, "logging_steps": 1}},
}
"""Name -> what differs from CONFIG."""

TIMES = ("_runtime", "_per_second", "_seconds", "seconds")


@dataclass
class Outcome:
    """What came of killing one run.

    Attributes:
        kills: where each kill met it: before training, at a step, or after the last.
        differences: files and results that are not those of the run that was left alone.
    """

    kills: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def soak(variant: str, folder: Path, *, kills: int, rng: random.Random) -> Outcome:
    """Kills a run so many times, and compares what it ends with."""
    whole, killed, outcome = folder / f"{variant}-whole", folder / f"{variant}-killed", Outcome()
    started = time.monotonic()
    _check(_wait(_start(variant, whole)), whole)
    seconds = time.monotonic() - started
    while True:
        process = _start(variant, killed)
        if len(outcome.kills) == kills:
            _check(_wait(process), killed)
            break
        time.sleep(rng.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        if _wait(process) == 0:
            _remove(killed)  # it was quicker: once more from the start
            continue
        outcome.kills.append(_where(killed))
        if (killed / "all_results.json").is_file():
            _compare(whole, killed, outcome)
            _remove(killed)
    _compare(whole, killed, outcome)
    return outcome


def _start(variant: str, output_dir: Path) -> int:
    """Forks a run and returns its process id."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    try:
        quiet = os.open(output_dir.with_suffix(".log"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        import ftkit

        changes = VARIANTS[variant]
        config = {**CONFIG, **changes, "train": {**CONFIG["train"], **changes.get("train", {})}}
        ftkit.train({**config, "output_dir": str(output_dir)})
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _check(code: int, run: Path) -> None:
    if code:
        raise SystemExit(f"{run.name} ended with {code}:\n{run.with_suffix('.log').read_text()[-3000:]}")


def _where(run: Path) -> str:
    """Returns where a kill has met a run, as far as its files tell."""
    if (run / "all_results.json").is_file():
        return "finished"
    saved = sorted(run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    if not saved:
        return "before the first checkpoint"
    staging = run / ".unfinished"  # made after the last checkpoint; an earlier kill may have left it
    if staging.is_dir() and staging.stat().st_mtime >= saved[-1].stat().st_mtime:
        return "scoring and publishing"
    return "between checkpoints"


def _compare(whole: Path, killed: Path, outcome: Outcome) -> None:
    names = {
        path.relative_to(run) for run in (whole, killed) for path in run.rglob("*") if _counts(path.relative_to(run))
    }
    for name in sorted(names):
        one, other = (_digest(run / name) for run in (whole, killed))
        if one != other:
            outcome.differences.append(str(name))
    results = [json.loads((run / "all_results.json").read_text()) for run in (whole, killed)]
    for key in sorted(results[0].keys() | results[1].keys()):
        if not key.endswith(TIMES) and results[0].get(key) != results[1].get(key) and key != "environment":
            outcome.differences.append(f"{key}: {results[0].get(key)} and {results[1].get(key)}")


def _counts(name: Path) -> bool:
    return (name.suffix == ".safetensors" and name.parts[0] != "checkpoints") or name.parts[0] == "predictions"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _remove(run: Path) -> None:
    import shutil

    shutil.rmtree(run, ignore_errors=True)


def prepare() -> Callable[..., Outcome]:
    """Imports what runs need before they are forked, on one thread, as a fork keeps no others."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    import peft  # noqa: F401

    return soak


def main() -> None:
    """Kills runs of every variant and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    given = parser.parse_args()
    run, rng, failed = prepare(), random.Random(given.seed), False
    with tempfile.TemporaryDirectory() as folder:
        for index, variant in enumerate(given.variants):
            share = given.kills * (index + 1) // len(given.variants) - given.kills * index // len(given.variants)
            outcome = run(variant, Path(folder), kills=share, rng=rng)
            failed |= bool(outcome.differences)
            counts = {where: outcome.kills.count(where) for where in sorted(set(outcome.kills))}
            print(f"{variant}: {share} kills ({counts}); differences: {outcome.differences or 'none'}", flush=True)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
