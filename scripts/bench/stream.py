"""Makes a large jsonl file of labelled texts and trains on it as a stream; says how much memory that took.

    python scripts/bench/stream.py --gigabytes 5 --steps 200 --folder /tmp/stream

What it took is compared with the same steps on the file's first 10,000 rows in memory, which is what the model and the
libraries need by themselves. Memory is sampled over the process and all its children: of all together, a page that
several share counted once, and of the largest process. The file is kept, and made again only where it is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from large_data import CHECKPOINT, LABELS, MESSAGES, cpu_seconds, watch
from measure import ROOT

NUM_ROWS_IN_MEMORY = 10_000


def main() -> int:
    arguments = _arguments()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{arguments.gigabytes:g}gb.jsonl"
    if not data.exists():
        make(data, round(arguments.gigabytes * 1e9), arguments.words)
    first = folder / f"first-{data.name}"
    with data.open(encoding="utf-8") as file:
        first.write_text("".join(next(file, "") for _ in range(NUM_ROWS_IN_MEMORY)), encoding="utf-8")
    found = {"in_memory": measure({"train": str(first)}, arguments)} if arguments.reference else {}
    found["streamed"] = measure({"train": str(data), "streaming": True, "labels": list(LABELS)}, arguments)
    print(json.dumps({"megabytes": round(data.stat().st_size / 1e6), "steps": arguments.steps, **found}))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--words", type=int, default=48, help="of a text, on average")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path, required=True, help="for the file and the run")
    parser.add_argument("--checkpoint", default=str(CHECKPOINT))
    parser.add_argument("--reference", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def make(path: Path, num_bytes: int, num_words: int) -> None:
    """Writes rows of words from the built-in messages, no two alike, with a label that the words give away."""
    draw, written, number = random.Random(1), 0, 0
    with MESSAGES.open(encoding="utf-8") as file:
        words = sorted(set(file.read().replace('"', " ").replace(",", " ").split()))
    texts = [" ".join(draw.choices(words, k=draw.randint(num_words // 4, num_words * 3 // 4))) for _ in range(5_000)]
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8") as file:
        while written < num_bytes:
            label = draw.choice(LABELS)
            text = f"{label} {number} {draw.choice(texts)} {draw.choice(texts)}"
            written += file.write(json.dumps({"text": text, "label": label}) + "\n")
            number += 1
    beside.rename(path)


def measure(data: dict[str, Any], arguments: argparse.Namespace) -> dict[str, object]:
    """Trains, and returns what it took."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        place = Path(name)
        config = {
            "task": "text-classification",
            "model": {"checkpoint": arguments.checkpoint},
            "data": data,
            "train": {"max_steps": arguments.steps, "per_device_train_batch_size": 32, "precision": "fp32"},
            "output_dir": str(place / "run"),
        }
        file = place / "config.json"
        file.write_text(json.dumps(config))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(place / "cache")}
        before = cpu_seconds()
        with (place / "log").open("w+") as log:
            command = [sys.executable, "-m", "ftkit", "train", str(file)]
            process = psutil.Popen(command, env=environment, cwd=place, stdout=log, stderr=log)
            together, largest = watch(process)
            log.seek(0)
            told = log.read()
        if process.returncode:
            raise SystemExit(told)
        results = json.loads((place / "run" / "all_results.json").read_text())
        return {
            "first_step_seconds": round(results["first_step_seconds"], 1),
            "train_seconds": round(results["train_runtime"], 1),
            "cpu_seconds": round(cpu_seconds() - before, 1),
            "all_processes_mib": round(together),
            "largest_process_mib": round(largest),
        }


if __name__ == "__main__":
    sys.exit(main())
