"""Makes a file of many short labelled texts, trains one step on it, and says what that took, phase by phase.

    python scripts/bench/large_data.py --rows 1000000 --format jsonl --folder /tmp/large

Seconds are counted from the start of the process to the end of the first optimizer step. Memory is sampled over the
process and all its children: of all together, a page that several share counted once, and of the largest process.
Pages of files that are mapped are counted too, though the system takes them back where it needs room. Run it twice to
see a start from the cache; `--fresh` uses an empty one. The file is kept, and made again only where it is missing.

A file of 5 GB, and 200 steps on it:

    python scripts/bench/large_data.py --rows 5000000 --words 150 --steps 200 --folder /tmp/large --fresh
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil

from measure import ROOT

CHECKPOINT = ROOT / "ftkit" / "demo" / "bert"
MESSAGES = ROOT / "ftkit" / "demo" / "support" / "train.csv"
LABELS = ("late", "broken", "refund", "praise", "question", "address", "login", "other")


def main() -> int:
    arguments = _arguments()
    arguments.folder = arguments.folder.resolve()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    data = arguments.folder / f"rows-{arguments.rows}x{arguments.words}.{arguments.format}"
    if not data.exists():
        make(data, arguments.rows, arguments.words)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        print(json.dumps(measure(data, Path(place), arguments)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=12, help="of a text, on average")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    parser.add_argument("--folder", type=Path, required=True, help="for the file, the cache and the run")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--validation", type=float, help="a fraction to hold out")
    parser.add_argument("--checkpoint", default=str(CHECKPOINT))
    parser.add_argument("--root", type=Path, default=ROOT, help="of the ftkit to measure")
    parser.add_argument("--fresh", action="store_true", help="with an empty cache")
    return parser.parse_args()


def make(path: Path, num_rows: int, num_words: int) -> None:
    """Writes rows of words from the built-in messages, no two alike, with a label that the words give away."""
    draw = random.Random(1)
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        words = sorted({word for row in csv.DictReader(file) for word in row["text"].split()})
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        if path.suffix == ".csv":
            table.writerow(["text", "label"])
        for number in range(num_rows):
            label = draw.choice(LABELS)
            picked = draw.choices(words, k=draw.randint(num_words // 2, num_words * 3 // 2))
            text = f"{label} {number} {' '.join(picked)}"
            if path.suffix == ".csv":
                table.writerow([text, label])
            else:
                file.write(json.dumps({"text": text, "label": label}) + "\n")
    beside.rename(path)


def measure(data: Path, place: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Trains, and returns what it took."""
    config = {
        "task": "text-classification",
        "model": {"checkpoint": arguments.checkpoint},
        "data": {"train": str(data), **({"validation": arguments.validation} if arguments.validation else {})},
        "train": {"max_steps": arguments.steps, "per_device_train_batch_size": 32, "precision": "fp32"},
        "output_dir": str(place / "run"),
    }
    file = place / "config.json"
    file.write_text(json.dumps(config))
    cache = place / "cache" if arguments.fresh else arguments.folder / "cache"
    environment = {**os.environ, "PYTHONPATH": str(arguments.root), "HF_DATASETS_CACHE": str(cache)}
    command = [sys.executable, "-m", "ftkit", "train", str(file)]
    with (place / "log").open("w+") as log:
        process = psutil.Popen(command, env=environment, cwd=place, stdout=log, stderr=log)
        together, largest = watch(process)
        log.seek(0)
        told = log.read()
    if process.returncode:
        raise SystemExit(told)
    print(told, file=sys.stderr)
    results = json.loads((place / "run" / "all_results.json").read_text())
    return {
        "rows": arguments.rows,
        "megabytes": round(data.stat().st_size / 1e6),
        "first_step_seconds": round(results["first_step_seconds"], 1),
        "cpu_seconds": round(cpu_seconds(), 1),
        "all_processes_mib": round(together),
        "largest_process_mib": round(largest),
    }


def cpu_seconds() -> float:
    """Returns what the finished run took of all cores together, which a busy machine changes less than the clock."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def watch(process: psutil.Popen) -> tuple[float, float]:
    """Returns the most memory that was seen: of all processes together, and of the largest."""
    together = largest = 0.0
    while process.poll() is None:
        kinds = []
        for one in _family(process):
            try:
                kinds.append((one.memory_full_info().pss, one.memory_info().rss))
            except (psutil.Error, OSError):
                continue
        if kinds:
            together = max(together, sum(shared for shared, _ in kinds))
            largest = max(largest, max(rss for _, rss in kinds))
        time.sleep(0.5)
    return together / 2**20, largest / 2**20


def _family(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


if __name__ == "__main__":
    sys.exit(main())
