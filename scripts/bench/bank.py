"""Memory and speed of a bank: many LoRA adapters on one base, against as many whole models.

    python scripts/bench/bank.py --checkpoint FOLDER_OR_ID --texts FILE.csv --label-column LABEL --output runs/bank

One adapter and one whole model are trained for a step on the texts. The other adapters are copies of the first with
random weights: they take as much memory and time as trained ones. Memory is measured in a new process for each count;
for whole models with few of them, and the rest is extrapolated. Speed: requests for many adapters in random order,
answered some at a time, in one process and in three ways by turns.
"""

from __future__ import annotations

import argparse
import csv
import gc
import itertools
import json
import operator
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MIB = 2**20
WARM_UP = 40  # requests before the clock starts
Requests = Sequence[tuple[str, str]]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="an encoder: a folder or a Hub id")
    parser.add_argument("--texts", type=Path, help="a CSV file")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="label")
    parser.add_argument("--output", type=Path, required=True, help="folder for runs, results.json and table.md")
    parser.add_argument(
        "--adapters", nargs="+", type=int, default=[1, 3, 10, 50], help="counts to measure memory with"
    )
    parser.add_argument("--models", nargs="+", type=int, default=[1, 3], help="counts of whole models to measure")
    parser.add_argument("--mixed", type=int, default=10, help="adapters that the stream of requests is for")
    parser.add_argument("--requests", type=int, default=1024)
    parser.add_argument("--at-once", nargs="+", type=int, default=[16, 64, 256], help="requests answered at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "COUNT"), help=argparse.SUPPRESS)  # in a new process
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure:
        what, count = arguments.measure
        print(json.dumps(measure_memory(what, int(count), arguments)))
        return
    make_runs(arguments)
    memory = {
        what: {count: in_new_process(what, count, arguments) for count in counts}
        for what, counts in (("bank", arguments.adapters), ("models", arguments.models))
    }
    speed = measure_speed(arguments)
    results = {"memory": memory, "speed": speed}
    (arguments.output / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    table = "\n".join([*memory_table(memory, arguments), "", *speed_table(speed, arguments)])
    (arguments.output / "table.md").write_text(table + "\n", encoding="utf-8")
    print(table)


# --- runs -----------------------------------------------------------------------------------------------------


def make_runs(arguments: argparse.Namespace) -> None:
    import ftkit

    for name, tuner in (("whole", {"method": "full"}), ("a0", {"method": "lora", "rank": arguments.rank})):
        config: dict[str, Any] = {
            "task": "text-classification",
            "model": {"checkpoint": arguments.checkpoint},
            "data": {
                "train": str(arguments.texts),
                "columns": {"text": arguments.text_column, "label": arguments.label_column},
            },
            "tuner": tuner,
            "train": {"max_steps": 1, "precision": "fp32", "use_cpu": arguments.device == "cpu"},
            "output_dir": str(arguments.output / name),
            "overwrite": True,
        }
        ftkit.train(config)
    for index in range(1, max(*arguments.adapters, arguments.mixed)):
        write_copy(arguments.output / "a0", arguments.output / f"a{index}", seed=index)


def write_copy(source: Path, target: Path, *, seed: int) -> None:
    """Copies a run and gives its adapter random weights."""
    import torch
    from safetensors.torch import load_file, save_file

    from ftkit.config.run_config import CONFIG_FILE, load_config
    from ftkit.models.fingerprint import file_fingerprint

    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, target)
    weights = target / "adapter_model.safetensors"
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: 0.02 * torch.randn(tensor.shape, generator=generator) for name, tensor in load_file(weights).items()
    }
    save_file(state, weights, metadata={"format": "pt"})
    config = load_config(target / CONFIG_FILE)
    assert config.run is not None
    assert config.run.base is not None
    base = config.run.base.model_copy(update={"adapter_sha256": file_fingerprint(weights)})
    run = config.run.model_copy(update={"base": base})
    (target / CONFIG_FILE).write_text(config.model_copy(update={"run": run}).to_yaml(), encoding="utf-8")


def read_texts(arguments: argparse.Namespace) -> list[str]:
    with arguments.texts.open(encoding="utf-8", newline="") as file:
        return [row[arguments.text_column] for row in csv.DictReader(file)]


def make_bank(count: int, arguments: argparse.Namespace) -> Any:
    import ftkit

    bank = ftkit.AdapterBank(device=arguments.device)
    for index in range(count):
        bank.add(f"a{index}", arguments.output / f"a{index}")
    assert bank.mixed == bank.names
    return bank


# --- memory ---------------------------------------------------------------------------------------------------


def in_new_process(what: str, count: int, arguments: argparse.Namespace) -> dict[str, int]:
    columns = ["--text-column", arguments.text_column, "--texts", str(arguments.texts)]
    flags = ["--output", str(arguments.output), "--device", arguments.device, "--measure", what, str(count)]
    print(f"memory of {what}, {count} ...", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, __file__, *columns, *flags], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_memory(what: str, count: int, arguments: argparse.Namespace) -> dict[str, int]:
    """Returns bytes: resident once everything is imported, with all loaded and asked once, and of tensors."""
    import psutil

    import ftkit
    from ftkit.inference.bank import release_freed_memory

    def resident() -> int:
        gc.collect()
        release_freed_memory()  # on both sides
        return psutil.Process().memory_info().rss

    text = read_texts(arguments)[0]
    for name in ("whole", "a0"):  # imports, and what libraries keep after the first use
        ftkit.load(arguments.output / name, device=arguments.device).predict([text])
    before = resident()
    if what == "bank":
        bank = make_bank(count, arguments)
        bank.predict([(name, text) for name in bank.names])
        memory = bank.memory()
        tensors = memory.base + sum(memory.adapters.values())
    else:
        models = [ftkit.load(arguments.output / "whole", device=arguments.device) for _ in range(count)]
        for one in models:
            one.predict([text])
        parameters = [tensor for one in models for tensor in (*one.model.parameters(), *one.model.buffers())]
        for tensor in parameters:
            tensor.sum()  # weights lie in a mapped file, of which only what was read is resident
        tensors = sum(tensor.nbytes for tensor in parameters)
    return {"before": before, "after": resident(), "tensors": tensors}


def memory_table(memory: dict[str, dict[int, dict[str, int]]], arguments: argparse.Namespace) -> list[str]:
    def grown(what: str, count: int) -> float:
        return (memory[what][count]["after"] - memory[what][count]["before"]) / MIB

    few, many = min(arguments.models), max(arguments.models)
    each = (grown("models", many) - grown("models", few)) / max(many - few, 1)
    lines = [
        "| tasks | bank: resident MiB | of tensors | whole models: resident MiB | of tensors |",
        "|---|---|---|---|---|",
    ]
    tensors = {what: {n: one["tensors"] / MIB for n, one in counts.items()} for what, counts in memory.items()}
    for count in sorted({*arguments.adapters, *arguments.models}):
        cells = [f"{grown('bank', count):.0f} | {tensors['bank'][count]:.0f}" if count in memory["bank"] else "- | -"]
        if count in memory["models"]:
            cells.append(f"{grown('models', count):.0f} | {tensors['models'][count]:.0f}")
        else:
            whole = grown("models", few) + (count - few) * each
            cells.append(f"{whole:.0f} (extrapolated) | {tensors['models'][few] / few * count:.0f}")
        lines.append(f"| {count} | {' | '.join(cells)} |")
    lines += ["", f"A further whole model takes {each:.1f} MiB (measured from {few} to {many} of them)."]
    fewest, most = min(arguments.adapters), max(arguments.adapters)
    if most > fewest:
        further = (grown("bank", most) - grown("bank", fewest)) / (most - fewest)
        lines.append(f"A further adapter takes {further:.1f} MiB (measured from {fewest} to {most} of them).")
    return lines


# --- speed ----------------------------------------------------------------------------------------------------


def one_by_one(bank: Any, requests: Requests) -> None:
    """Answers in order; requests for one adapter go together where they follow one another."""
    for _, group in itertools.groupby(requests, key=operator.itemgetter(0)):
        bank.predict(list(group))


def by_adapter(bank: Any, requests: Requests) -> None:
    """Answers all requests for one adapter, then all for the next."""
    one_by_one(bank, sorted(requests, key=operator.itemgetter(0)))


def mixed(bank: Any, requests: Requests) -> None:
    """Answers all in one call."""
    bank.predict(requests)


WAYS: dict[str, Callable[[Any, Requests], None]] = {
    "mixed": mixed,
    "grouped by adapter": by_adapter,
    "one by one": one_by_one,
}


def measure_speed(arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Returns seconds for the stream, by requests at once and way, one for each repeat; ways take turns."""
    bank = make_bank(arguments.mixed, arguments)
    texts, chance = read_texts(arguments), random.Random(0)
    stream = [(f"a{chance.randrange(arguments.mixed)}", chance.choice(texts)) for _ in range(arguments.requests)]
    for way in WAYS.values():
        way(bank, stream[:WARM_UP])
    seconds: dict[str, dict[str, list[float]]] = {}
    for at_once in arguments.at_once:
        windows = [stream[start : start + at_once] for start in range(0, len(stream), at_once)]
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        for _, (name, way) in itertools.product(range(arguments.repeats), WAYS.items()):
            started = time.perf_counter()
            for window in windows:
                way(bank, window)
            found[name].append(time.perf_counter() - started)
        seconds[str(at_once)] = found
    return seconds


def speed_table(speed: dict[str, dict[str, list[float]]], arguments: argparse.Namespace) -> list[str]:
    lines = [
        f"Requests a second: {arguments.requests} requests for {arguments.mixed} adapters in random order; median "
        f"(least, greatest) of {arguments.repeats}.",
        "",
        f"| requests at once | {' | '.join(WAYS)} |",
        "|---" * (len(WAYS) + 1) + "|",
    ]
    for at_once, found in speed.items():
        rates = {name: sorted(arguments.requests / one for one in seconds) for name, seconds in found.items()}
        cells = [f"{statistics.median(rate):.0f} ({rate[0]:.0f}, {rate[-1]:.0f})" for rate in rates.values()]
        lines.append(f"| {at_once} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
