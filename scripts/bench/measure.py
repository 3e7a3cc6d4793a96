"""Runs the sides of a comparison in turn, each in a process of its own, and measures them from outside.

The order is A B C A B C: what changes on the machine meanwhile, such as its temperature, then meets all sides alike.
This process stays small, without torch: on Linux, a child's peak memory counts its parent's at the start.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from ftkit.errors import RunError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIRST_SEED = 1


@dataclass(frozen=True)
class Variant:
    """One side of a comparison.

    Attributes:
        name: how it is chosen with `--variants`.
        title: how the table calls it.
        command: (seed, folder to write into) -> arguments of the process.
        results: the JSON file that the process leaves in its folder.
        warm_cache: keep what it caches of the data (ftkit, or the datasets library) between its processes; else each
            starts with empty caches.
    """

    name: str
    title: str
    command: Callable[[int, Path], list[str]]
    results: str = "results.json"
    warm_cache: bool = False


@dataclass(frozen=True)
class Work:
    """What every side of a comparison has to do.

    Attributes:
        items: texts, all epochs together.
        tokens: of these texts, padding not counted.
        flops: floating-point operations that the model needs for them; see work.py.
    """

    items: float
    tokens: float
    flops: float


@dataclass(frozen=True)
class Benchmark:
    """A comparison.

    Attributes:
        title: the heading above its table.
        facts: what was measured on, one sentence.
        variants: its sides; the first is the one that the others are compared with.
        seconds_key: the entry of a side's results that holds the seconds to compare.
        score_key: the entry that holds its score, if there is one.
        work: None where seconds are compared as they are.
        comparisons: more pairs of variants to compare, by name.
        warm_up: run each side once before, unmeasured.
    """

    name: str
    title: str
    facts: str
    variants: Sequence[Variant]
    seconds_key: str
    score_key: str | None = None
    work: Work | None = None
    comparisons: Sequence[tuple[str, str]] = ()
    warm_up: bool = False


@dataclass
class Outcome:
    """What was measured.

    Attributes:
        samples: variant's name -> one mapping of figures for each repeat.
        machine: one mapping of machine.py's figures for each repeat.
    """

    benchmark: Benchmark
    samples: dict[str, list[dict[str, Any]]]
    machine: list[dict[str, Any]] = field(default_factory=list)


class Spread(NamedTuple):
    """The median of some repeats, and their range."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Returns median, least and greatest."""
    return Spread(statistics.median(values), min(values), max(values))


def speedups(outcome: Outcome, one: str, other: str) -> list[float]:
    """Returns how many times as fast the first variant was as the second, repeat by repeat."""
    pairs = zip(outcome.samples[one], outcome.samples[other], strict=True)
    return [slow["seconds"] / fast["seconds"] for fast, slow in pairs]


def alternate(
    benchmark: Benchmark, *, repeats: int, output: Path, matmul_seconds: float, first_seed: int = FIRST_SEED
) -> Outcome:
    """Runs all variants of a benchmark in turn, `repeats` times; repeat i has the same seed for all.

    Args:
        output: a folder for the logs of the processes.
        matmul_seconds: how long each of the machine's matrix products is measured, each time.

    Raises:
        RunError: a process failed.
    """
    outcome = Outcome(benchmark, {variant.name: [] for variant in benchmark.variants})
    with tempfile.TemporaryDirectory() as cache:
        for repeat in range(-1 if benchmark.warm_up else 0, repeats):
            if repeat >= 0:
                outcome.machine.append(run_json([HERE / "machine.py", "--seconds", str(matmul_seconds)]))
            for variant in benchmark.variants:
                name = f"{benchmark.name}-{variant.name}-{repeat + 1}"
                print(f"{name} ...", file=sys.stderr, flush=True)
                log = output / "logs" / f"{name}.log"
                sample = run_variant(variant, first_seed + repeat, log, Path(cache) if variant.warm_cache else None)
                if repeat >= 0:
                    outcome.samples[variant.name].append(_figures(sample, benchmark))
    return outcome


def run_variant(variant: Variant, seed: int, log: Path, cache: Path | None) -> dict[str, Any]:
    """Runs one process in a folder that is deleted afterwards, and returns its results with what was measured.

    Args:
        cache: where the datasets library keeps what it has read; None: a new folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache = cache or Path(folder) / "cache"
        environment = {"HF_DATASETS_CACHE": str(cache / "datasets")}
        measured = run_process(variant.command(seed, Path(folder)), log, environment)
        results = json.loads((Path(folder) / variant.results).read_text(encoding="utf-8"))
    if results.get("first_step_seconds") is not None:
        results["first_step_seconds"] += measured["created_late"]
    return results | measured


def run_process(command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """Runs a command to its end.

    Returns:
        `wall_seconds`; `peak_mib` of resident memory, of the largest of its processes; `created_late`, the seconds
        by which the operating system dates the start later than it was (it counts in whole seconds since boot).

    Raises:
        RunError: it failed; the message ends with the last lines of its log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        started, clock = time.time(), time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=file, stderr=subprocess.STDOUT, env=_environment(environment)
        )
        created_late = psutil.Process(process.pid).create_time() - started
        _, status, usage = os.wait4(process.pid, 0)
        wall_seconds = time.perf_counter() - clock
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise RunError(f"A process ended with code {process.returncode}; its log is {log}:\n{last}")
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)  # macOS counts bytes
    return {"wall_seconds": wall_seconds, "peak_mib": kib / 1024, "created_late": created_late}


def run_json(command: Sequence[str | Path]) -> dict[str, Any]:
    """Runs a Python script that prints one JSON object, and returns it."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, encoding="utf-8", env=_environment({})
    )
    if done.returncode:
        raise RunError(f"{Path(command[0]).name} ended with code {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Returns this process's environment, with the ftkit of this clone in front of an installed one."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def _figures(results: Mapping[str, Any], benchmark: Benchmark) -> dict[str, Any]:
    """Returns the figures of one process that tables and plots show."""
    seconds, work = results[benchmark.seconds_key], benchmark.work
    figures = {
        "seconds": seconds,
        "wall_seconds": results["wall_seconds"],
        "peak_mib": results["peak_mib"],
        "score": results.get(benchmark.score_key),
        "precision": results.get("precision"),
        "padding_share": results.get("padding_share") if work else None,
        "rate": work.items / seconds if work else None,
        "gflops": work.flops / seconds / 1e9 if work else None,
    }
    return {name: value for name, value in figures.items() if value is not None}
