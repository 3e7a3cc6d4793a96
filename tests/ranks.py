"""Runs on several ranks: one process imports the libraries, and forks a process for each rank.

    python tests/ranks.py jobs.json

A job is `{"num_ranks": 4, "configs": [FILE, ...]}`: its ranks carry out these configs, one after another. Launchers
start a new interpreter for each rank, which imports for seconds what a tiny run computes in less than one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fresh
import sketches
from ftkit.config import yaml as strict_yaml

IMPORTED = (
    "transformers.trainer",
    "ftkit.engine.training",
    "ftkit.report.files",
    "ftkit.runs.proof",
    "ftkit.runs.steps",
)
IMPORTED += ("sklearn.metrics", "scipy.stats", "matplotlib.backends.backend_agg", "matplotlib.figure", "evaluate")
"""What a run imports, before processes are forked."""


MEETING = {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
"""Where ranks meet, in the words of torchrun: at a store that is there already."""


def run_on_ranks(folder: Path, jobs: Sequence[tuple[int, Sequence[Mapping[str, Any]]]], *, timeout: int = 900) -> None:
    """Carries out configs on as many ranks as is said, one job after another, in a fresh process.

    Args:
        folder: where the configs are written.
    """
    described = []
    for number, (num_ranks, configs) in enumerate(jobs):
        files = [folder / f"job{number}-{index}.yaml" for index in range(len(configs))]
        for file, config in zip(files, configs, strict=True):
            file.write_text(strict_yaml.dump(dict(config)))
        described.append({"num_ranks": num_ranks, "configs": [str(file) for file in files]})
    jobs_file = folder / "jobs.json"
    jobs_file.write_text(json.dumps(described))
    done = fresh.python(__file__, jobs_file, timeout=timeout)
    assert done.returncode == 0, done.stderr[-4000:]


def _main(jobs_file: str) -> int:
    for name in IMPORTED:
        importlib.import_module(name)
    sketches.draw_sketches()
    from torch.distributed import TCPStore

    for job in json.loads(Path(jobs_file).read_text()):
        # Where ranks meet is open until the last has ended, as with torchrun; rank 0 may be the first.
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        ranks = {_fork(rank, job["num_ranks"], store.port, job["configs"]) for rank in range(job["num_ranks"])}
        while ranks:
            process, status = os.wait()
            ranks.remove(process)
            if status:  # the others may wait for it
                for rank in ranks:
                    os.kill(rank, signal.SIGKILL)
                return 1
    return 0


def _fork(rank: int, num_ranks: int, port: int, configs: Sequence[str]) -> int:
    """Returns the id of a process that is a rank."""
    if process := os.fork():
        return process
    status = 1
    try:
        if num_ranks > 1:
            names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")
            values = (rank, rank, num_ranks, num_ranks, port)
            os.environ |= dict(zip(names, map(str, values), strict=True)) | MEETING
        import ftkit

        for config in configs:
            ftkit.train(config)
        status = 0
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
