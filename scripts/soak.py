"""Kills, interrupts, races and starves small runs, starts each again by the same command, and compares the end.

    python scripts/soak.py --kills 100 --signals 100 --starts 20 --space 60 --launchers 20

A run that was troubled must end with what a run ends with that was left alone: weights, predictions and results to the
last bit. `--ranks 2` trains on two processes. Runs are forked from one process that has imported everything, so that a
start costs no seconds; each of them is the command `ftkit train CONFIG`, with its exit code and what it writes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from soak_runs import (
    FAILED,
    INTERRUPTED,
    MOST_SECONDS,
    REFUSED,
    SIGNALS,
    VARIANTS,
    Outcome,
    Place,
    Start,
    Whole,
    met_at,
    prepare,
)

BLOCK = 4096  # bytes; what a run writes to the screen takes less


def kill(whole: Whole, folder: Path, variant: str, *, ranks: int, count: int, rng: random.Random) -> Outcome:
    """Kills a run so many times, wherever it is."""
    outcome, place = Outcome(), Place.of(folder, variant, "killed", ranks)
    while len(outcome.trials) < count:
        start = Start(place)
        time.sleep(rng.uniform(0, whole.seconds))
        start.send(signal.SIGKILL)
        if not any(start.wait()):
            place.remove()  # it was quicker: once more from the start
            continue
        outcome.trials.append(met_at(place.run))
        if place.is_finished:
            outcome.compare(whole.place, place)
            place.remove()
    place.finish()
    outcome.compare(whole.place, place)
    return outcome


def interrupt(whole: Whole, folder: Path, variant: str, *, ranks: int, count: int, rng: random.Random) -> Outcome:
    """Sends a run so many signals, once or twice, wherever it is."""
    outcome, place, slowest = Outcome(), Place.of(folder, variant, "interrupted", ranks), 0.0
    while len(outcome.trials) < count:
        start, number, is_twice = Start(place), rng.choice(SIGNALS), rng.random() < 0.4
        time.sleep(rng.uniform(0, whole.seconds))
        start.send(number)
        if is_twice:
            time.sleep(rng.uniform(0, 0.3))
            start.send(number)
        sent = time.monotonic()
        codes = start.wait(within=MOST_SECONDS)
        slowest = max(slowest, time.monotonic() - sent)
        # Before it listens, and by a second signal, a process ends as the system ends it.
        outcome.check(codes, [0, INTERRUPTED, -number, 128 + number], start)
        # Rank 0 tells for all; where it was not listening yet, nobody does.
        if codes[0] == INTERRUPTED and "The same command goes on with the run" not in start.said():
            outcome.problems.append(f"{INTERRUPTED} without the way on:\n{start.said()[-2000:]}")
        name = {0: "finished", INTERRUPTED: "in order"}.get(codes[0], "at once")
        outcome.trials.append(f"{number.name} {'twice' if is_twice else 'once'}, {name}")
        if place.is_finished:
            outcome.compare(whole.place, place)
            place.remove()
    place.finish()
    outcome.compare(whole.place, place)
    print(f"{variant}: the slowest end took {slowest:.1f} s", flush=True)
    return outcome


def race(whole: Whole, folder: Path, variant: str, *, ranks: int, count: int, rng: random.Random) -> Outcome:
    """Starts two commands at once, so many times: one of them trains, and what they leave is one whole run."""
    outcome, other = Outcome(), Whole.of(folder, variant, ranks, seed=7)
    wholes = {
        json.loads((found.place.run / "all_results.json").read_text())["seed"]: found for found in (whole, other)
    }
    for trial in range(count):
        name, arguments, seeds = WAYS[trial % len(WAYS)]
        starts = []
        for index, train in enumerate(seeds):
            place = Place.of(folder, variant, "raced", ranks, stem=f"raced-{index}", **train)
            starts.append(Start(place, *arguments[index]))
            time.sleep(rng.choice((0.0, rng.uniform(0, 0.1), rng.uniform(0, whole.seconds))))
        codes = [max(start.wait()) for start in starts]
        for code, start in zip(codes, starts, strict=True):
            outcome.check([code], [0, REFUSED], start)
        if 0 not in codes:
            outcome.problems.append("neither of two trained:\n" + "\n".join(start.said() for start in starts))
            continue
        seed = json.loads((place.run / "all_results.json").read_text())["seed"]
        outcome.compare(wholes[seed].place, place)
        outcome.trials.append(f"{name}: {'both ended well' if codes == [0, 0] else 'one was refused'}")
        place.remove()
    return outcome


WAYS: Sequence[tuple[str, Sequence[Sequence[str]], Sequence[dict[str, Any]]]] = (
    ("the same command", ((), ()), ({}, {})),
    ("two seeds", ((), ()), ({}, {"seed": 7})),
    ("both overwrite", (("overwrite=true",), ("overwrite=true",)), ({}, {"seed": 7})),
    ("one resumes", ((), ("resume=true",)), ({}, {})),
)
"""How two commands are started at once: a name, their overrides, and what their configs have in `train`."""


def starve(whole: Whole, folder: Path, variant: str, *, ranks: int, count: int, rng: random.Random) -> Outcome:
    """Limits the sizes of files so that each in turn is too large, and the size of a disk, so many times each."""
    outcome = Outcome()
    sizes = [path.stat().st_size for path in whole.place.run.rglob("*") if path.is_file()]
    place = Place.of(folder, variant, "limited", ranks)
    for limit in _sample([size - 1 for size in sizes if size > BLOCK], count, rng):  # the screen is a file, too

        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        _starved(Start(place, before=limited), f"files of {limit:,} bytes", outcome)
        place.finish()
        outcome.compare(whole.place, place)
        place.remove()
    with small_disk(folder / "disk") as resize:
        if resize is None:
            print("no small disk can be mounted here: only the sizes of files were limited", flush=True)
            return outcome
        place = Place(folder / "disk" / "run", folder / f"{variant}-on-disk", whole.place.config, ranks)
        for share in _sample([number / 16 for number in range(1, 20)], count, rng):
            resize(max(int(sum(sizes) * share), 4 * BLOCK))
            _starved(Start(place), f"a disk of {share:.0%} of what the run takes", outcome)
            resize(8 * sum(sizes))
            place.finish()
            outcome.compare(whole.place, place)
            place.remove()
    return outcome


def _starved(start: Start, of: str, outcome: Outcome) -> None:
    """Notes how a run ended that had too little room."""
    codes, place = start.wait(), start.place
    outcome.check(codes, [0, FAILED, REFUSED], start)
    outcome.trials.append({0: "enough", FAILED: "told", REFUSED: "told before it began"}.get(codes[0], str(codes[0])))
    half = [path for path in place.run.glob("checkpoints/checkpoint-*") if not (path / "manifest.json").is_file()]
    if half or (any(codes) and "error: " not in start.said()):
        outcome.problems.append(f"{of}: {half or 'no message'}:\n{start.said()[-2000:]}")


def _sample(values: Sequence[Any], count: int, rng: random.Random) -> list[Any]:
    different = sorted(set(values))
    return sorted(rng.sample(different, min(count, len(different))))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[int], None] | None]:
    """Mounts a disk whose size the yielded function sets; yields None where nobody may mount one."""
    folder.mkdir(exist_ok=True)  # of the variant before

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    if not mount("size=64m"):
        yield None
        return
    try:
        yield lambda size: None if mount(f"remount,size={size}") else sys.exit(f"{folder} cannot be made smaller")
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def orphan(whole: Whole, folder: Path, variant: str, *, ranks: int, count: int, rng: random.Random) -> Outcome:
    """Kills the launcher of a run so many times: its workers save and end by themselves."""
    outcome, place = Outcome(), Place.of(folder, variant, "orphaned", ranks)
    while len(outcome.trials) < count:
        lives, lived = os.pipe()  # its other end is closed when the last worker has ended
        launcher = os.fork()
        if not launcher:
            os.setpgid(0, 0)
            os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # as `accelerate launch` sets it
            Start(place).wait()
            os._exit(0)
        os.close(lived)
        time.sleep(rng.uniform(0, whole.seconds))
        os.kill(launcher, signal.SIGKILL)
        os.waitpid(launcher, 0)
        os.set_blocking(lives, False)
        if not _closed(lives, within=MOST_SECONDS):
            os.killpg(launcher, signal.SIGKILL)
            outcome.problems.append("workers whose launcher was killed trained on")
        os.close(lives)
        said = place.log.read_text(errors="replace")
        if "Traceback" in said:
            outcome.problems.append(f"a traceback:\n{said[-2000:]}")
        outcome.trials.append("finished" if place.is_finished else met_at(place.run))
        if place.is_finished:
            outcome.compare(whole.place, place)
            place.remove()
    place.finish()
    outcome.compare(whole.place, place)
    return outcome


def _closed(pipe: int, *, within: float) -> bool:
    """Tells whether nobody holds the other end of a pipe any more, after so many seconds at most."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            return os.read(pipe, 1) == b""
        except BlockingIOError:
            time.sleep(0.01)
    return False


TROUBLES: Mapping[str, Callable[..., Outcome]] = {
    "kills": kill,
    "signals": interrupt,
    "starts": race,
    "space": starve,
    "launchers": orphan,
}


def main() -> None:
    """Troubles runs of every variant, and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=0, help="SIGKILLs, in all")
    parser.add_argument("--signals", type=int, default=0, help="signals, once or twice each, in all")
    parser.add_argument("--starts", type=int, default=0, help="pairs of commands that are started at once, in all")
    parser.add_argument("--space", type=int, default=0, help="limits of file sizes, and sizes of a disk, in all")
    parser.add_argument("--launchers", type=int, default=0, help="launchers that are killed, in all")
    parser.add_argument("--ranks", type=int, default=1, help="processes of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    given = parser.parse_args()
    if not any(getattr(given, name) for name in TROUBLES):
        parser.error(f"say how many of what: {', '.join(f'--{name}' for name in TROUBLES)}")
    prepare()
    rng, has_failed, variants = random.Random(given.seed), False, given.variants
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for index, variant in enumerate(variants):
            whole = Whole.of(folder, variant, given.ranks)
            for name, trouble in TROUBLES.items():
                wanted = getattr(given, name)
                count = wanted * (index + 1) // len(variants) - wanted * index // len(variants)
                if count:
                    outcome = trouble(whole, folder, variant, ranks=given.ranks, count=count, rng=rng)
                    has_failed |= bool(outcome.problems)
                    print(f"{variant}, {name}: {outcome.told()}", flush=True)
    sys.exit(int(has_failed))


if __name__ == "__main__":
    main()
