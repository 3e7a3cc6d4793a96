"""What ranks do in tests: `rank_jobs.py JOB FOLDER [...]` runs on each of several processes that were launched.

Processes take seconds to start, so that a job puts several runs into one launch. What a rank finds it leaves in
`FOLDER/found-RANK.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fresh
import sketches

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts" / "bench"))
RANK = int(os.environ.get("RANK", "0"))


def launch(
    job: str, folder: Path, *arguments: object, ranks: int = 2, restarts: int = 0, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Runs a job on several processes of this machine, by torchrun."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
    launcher += [f"--max_restarts={restarts}", "--shutdown_timeout=2"]  # for a rank that stands still
    command = [*launcher, __file__, job, folder, *arguments]
    return fresh.python(*command, timeout=timeout, cwd=folder)


def found_by(folder: Path, rank: int) -> dict[str, Any]:
    """Returns what a rank has found."""
    return json.loads((folder / f"found-{rank}.json").read_text())


def outcome(config: Path, overrides: dict[str, Any] | None = None) -> list[Any]:
    """Trains; returns the error's exit code, message and whether another rank tells it, or 0 and the metrics."""
    import ftkit
    from ftkit.errors import FtkitError

    start = time.monotonic()
    try:
        metrics = ftkit.train(config, overrides).metrics
        return [0, metrics["proof"] | {"num_processes": metrics["num_processes"]}]
    except FtkitError as error:
        return [error.exit_code, str(error), error.is_told_elsewhere, time.monotonic() - start]


def scored(config: Path) -> dict[str, Any]:
    """Returns what the finished run of a config scores on its test data, by all processes together."""
    import ftkit
    from ftkit.config.run_config import load_config

    loaded = load_config(config)
    return ftkit.load(loaded.output_dir).evaluate(loaded.data.test)  # type: ignore[arg-type]


def every_kind(folder: Path) -> dict[str, Any]:
    """Carries out a run of each config in a folder, then those that ranks may not begin."""
    found: dict[str, Any] = {path.stem: outcome(path) for path in sorted(folder.glob("*.yaml"))}
    found["scores"] = {path.stem: scored(path) for path in sorted(folder.glob("*.yaml"))}
    config, train = folder / "text-classification.yaml", folder / "shorter.csv"
    where = folder / "host0" if RANK == 0 else folder / "host1"
    where.mkdir()
    os.chdir(where)
    found["folders"] = outcome(config, {"output_dir": "run"})
    os.chdir(folder)
    new: dict[str, Any] = {"output_dir": "new"}
    found["seeds"] = outcome(config, {**new, "train.seed": RANK})
    found["rows"] = outcome(config, {**new, "data.train": str(train)} if RANK else new)
    found["missing"] = outcome(config, {**new, "data.train": "missing.csv"} if RANK else new)
    found["mistake"] = outcome(config, {**new, "data.train": "missing.csv"})
    found["again"] = outcome(config)
    return found


def hang(folder: Path, config: str) -> dict[str, Any]:
    """Trains; in the first attempt rank 1 stands still in the middle."""
    from transformers import TrainerCallback

    from ftkit.runs import steps

    class Hang(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 4 and RANK == 1:
                (folder / "stopped").write_text(str(time.time()))
                os.kill(os.getpid(), signal.SIGSTOP)

    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        made = steps.callbacks
        steps.callbacks = lambda *arguments: [*made(*arguments), Hang()]
    found = outcome(Path(config))
    if found[0]:
        (folder / f"failed-{RANK}.json").write_text(json.dumps([*found, time.time()]))
        sys.exit(found[0])
    return {"run": found}


def sharded(folder: Path) -> dict[str, Any]:
    """Trains each config in a folder with a model that CPU ranks share out, as Accelerate lets GPUs do."""
    from torch import distributed
    from transformers import TrainerCallback

    import sharded_memory
    from ftkit.runs import steps

    held: dict[str, Any] = {}

    class Measure(TrainerCallback):
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                counted = sharded_memory.held_bytes(kwargs["model"], kwargs["optimizer"])
                num_trained = sum(weight.numel() for weight in kwargs["model"].parameters() if weight.requires_grad)
                held["bytes_a_trained_weight"] = counted["together"] / num_trained

    sharded_memory.share_out_on_cpus()
    made = steps.callbacks
    steps.callbacks = lambda *arguments: [*made(*arguments), Measure()]
    found = {
        path.stem: [*outcome(path), held.pop("bytes_a_trained_weight", None)] for path in sorted(folder.glob("*.yaml"))
    }
    for path in sorted(path for path in folder.glob("*.yaml") if not path.stem.startswith("began-alone")):
        if RANK == 0:
            interrupt(folder / path.stem / "run")
        distributed.barrier()
        found[f"{path.stem}-again"] = outcome(path)
    return found


def interrupt(run: Path) -> None:
    """Makes a run what it was after its first checkpoint; the finished one is kept beside it."""
    shutil.copytree(run, run.parent / "whole")
    (run / "all_results.json").unlink()
    last = max((run / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    shutil.rmtree(last)
    for path in run.glob("*.safetensors"):
        path.unlink()


def main(job: str, folder: str, *arguments: str) -> None:
    if job != "every_kind":
        sketches.draw_sketches()
    found = globals()[job](Path(folder), *arguments)
    (Path(folder) / f"found-{RANK}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
