"""Runs that are forked from one process that has imported everything, and what came of them; see soak.py."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
STEPS = {"save_strategy": "steps", "eval_strategy": "steps", "eval_steps": 4, "save_steps": 4}
VARIANTS: Mapping[str, dict[str, Any]] = {
    "epochs": {},
    "steps": {"train": STEPS},
    "early": {"train": {"num_train_epochs": 12, "early_stopping_patience": 1}},
    "lora": {"tuner": {"method": "lora", "rank": 4}},
    "accumulation": {"train": {"gradient_accumulation_steps": 3, "logging_steps": 1}},
    "short": {"train": {**STEPS, "max_steps": 8, "eval_steps": 2, "save_steps": 2}},
    "one-checkpoint": {"train": {**STEPS, "save_total_limit": 1}},
}
"""Name -> what differs from CONFIG."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
TIMES = ("_runtime", "_per_second", "_seconds", "seconds")
INTERRUPTED, REFUSED, FAILED = 75, 2, 1  # exit codes
MOST_SECONDS = 120  # after which a run that was asked to end has not ended "in order"


@dataclass
class Place:
    """Where a run lies, and its command: what it names, and what it writes to the screen.

    Attributes:
        run: the run directory.
        stem: where config and log lie, but for their endings.
    """

    run: Path
    stem: Path
    config: dict[str, Any]
    ranks: int = 1

    def __post_init__(self) -> None:
        """Writes the config."""
        self.file, self.log = self.stem.with_suffix(".json"), self.stem.with_suffix(".log")
        self.file.write_text(json.dumps({**self.config, "output_dir": str(self.run)}))

    @classmethod
    def of(cls, folder: Path, variant: str, name: str, ranks: int, *, stem: str = "", **train: Any) -> Place:
        """Returns the place of a variant of CONFIG."""
        changes = VARIANTS[variant]
        settings = {**CONFIG["train"], **changes.get("train", {}), **train}
        stem = stem or name
        return cls(
            folder / f"{variant}-{name}", folder / f"{variant}-{stem}", {**CONFIG, **changes, "train": settings}, ranks
        )

    @property
    def is_finished(self) -> bool:
        """Whether the run has been published."""
        return (self.run / "all_results.json").is_file()

    def finish(self) -> None:
        """Starts the run by its command, which has to end it."""
        start = Start(self)
        if any(start.wait()):
            raise SystemExit(f"{self.run.name} failed:\n{start.said()[-3000:]}")

    def remove(self) -> None:
        """Removes the run."""
        shutil.rmtree(self.run, ignore_errors=True)


@dataclass
class Whole:
    """A finished run that nothing troubled, and the seconds that it took."""

    place: Place
    seconds: float

    @classmethod
    def of(cls, folder: Path, variant: str, ranks: int, **train: Any) -> Whole:
        """Trains it."""
        place = Place.of(folder, variant, "-".join(["whole", *map(str, train.values())]), ranks, **train)
        started = time.monotonic()
        place.finish()
        return cls(place, time.monotonic() - started)


class Start:
    """A run that has been started, of one process or several."""

    def __init__(self, place: Place, *arguments: str, before: Callable[[], None] = lambda: None) -> None:
        """Forks `ftkit train CONFIG`.

        Args:
            arguments: of the command, after the config.
            before: called in the new process.
        """
        self.place, self.arguments, self.before = place, arguments, before
        place.log.write_text("")
        sys.stdout.flush()
        port = str(_free_port())
        self.processes = [self._fork(_rank(index, place.ranks, port)) for index in range(place.ranks)]

    def _fork(self, environment: Mapping[str, str]) -> int:
        process = os.fork()
        if process:
            return process
        code = 70
        try:
            quiet = os.open(self.place.log, os.O_APPEND | os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.environ.update(environment)
            for number in SIGNALS:  # a shell lets what runs in its background ignore SIGINT
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            self.before()
            sys.argv = ["ftkit", "train", str(self.place.file), *self.arguments]
            from ftkit.cli import main

            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(code)

    def send(self, number: int) -> None:
        """Sends a signal to all of its processes, as a terminal or a launcher does."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def wait(self, *, within: float = 600) -> list[int]:
        """Returns the exit codes when all processes have ended; one that has not within so many seconds is killed."""
        ended: dict[int, int] = {}
        until = time.monotonic() + within
        while len(ended) < len(self.processes):
            for process in self.processes:
                if process not in ended and (found := os.waitpid(process, os.WNOHANG))[0]:
                    ended[process] = os.waitstatus_to_exitcode(found[1])
            if time.monotonic() > until:
                self.send(signal.SIGKILL)
                raise SystemExit(f"{self.place.run.name} did not end within {within:.0f} seconds:\n{self.said()}")
            time.sleep(0.005)
        return [ended[process] for process in self.processes]

    def said(self) -> str:
        """Returns what it has written to the screen."""
        return self.place.log.read_text(errors="replace")


def _rank(index: int, ranks: int, port: str) -> dict[str, str]:
    """Returns what a launcher tells one of several processes."""
    if ranks == 1:
        return {}
    return {
        **{"RANK": str(index), "LOCAL_RANK": str(index), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"},
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


# --- what came of it --------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What came of troubling one run.

    Attributes:
        trials: how each attempt ended, or where it was met.
        problems: differences from the run that was left alone, tracebacks, exit codes that are not promised.
    """

    trials: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Returns both in a line."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(Counter(self.trials).items()))
        return f"{len(self.trials)} trials ({counts}); problems: {'; '.join(self.problems) or 'none'}"

    def check(self, codes: Sequence[int], allowed: Sequence[int], start: Start) -> None:
        """Notes exit codes that are not promised, and tracebacks."""
        said = start.said()
        if any(code not in allowed for code in codes):
            self.problems.append(f"exit codes {list(codes)}, of which {list(allowed)} are promised:\n{said[-2000:]}")
        elif "Traceback" in said:
            self.problems.append(f"a traceback:\n{said[-2000:]}")

    def compare(self, whole: Place, other: Place) -> None:
        """Notes files and results that are not those of the run that was left alone."""
        folders = whole.run, other.run
        names = {path.relative_to(run) for run in folders for path in run.rglob("*")}
        self.problems += [
            f"{name} differs"
            for name in sorted(filter(_counts, names))
            if len({_digest(run / name) for run in folders}) > 1
        ]
        one, two = (json.loads((run / "all_results.json").read_text()) for run in folders)
        for key in sorted(one.keys() | two.keys()):
            if not key.endswith(TIMES) and one.get(key) != two.get(key) and key != "environment":
                self.problems.append(f"{key}: {one.get(key)} and {two.get(key)}")
        left = [str(path.relative_to(other.run)) for path in other.run.rglob("*") if path.name.endswith(".tmp")]
        self.problems += [f"{name} was left" for name in left]


def _counts(name: Path) -> bool:
    return (name.suffix == ".safetensors" and name.parts[0] != "checkpoints") or name.parts[0] == "predictions"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def met_at(run: Path) -> str:
    """Returns where a kill has met a run, as far as its files tell."""
    if (run / "all_results.json").is_file():
        return "finished"
    saved = sorted(run.glob("checkpoints/checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    if not saved:
        return "before the first checkpoint"
    staging = list(run.glob(".unfinished*"))  # made after the last checkpoint; an earlier kill may have left it
    if any(path.stat().st_mtime >= saved[-1].stat().st_mtime for path in staging):
        return "scoring and publishing"
    return "between checkpoints"


def prepare() -> None:
    """Imports what runs need before they are forked, on one thread, as a fork keeps no others."""
    os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg", HF_HUB_OFFLINE="1")
    import torch

    torch.set_num_threads(1)
    from ftkit.cli import main
    from ftkit.config.run_config import load_config
    from ftkit.metrics import classification
    from ftkit.report import files, svg
    from ftkit.run import check

    assert all((main, classification, files))
    check(load_config({**CONFIG, "output_dir": "never-made"}))
    with svg.Drawing("warm", "a line", size=(3, 2)) as drawing:
        drawing.figure.add_subplot().plot([0, 1])
