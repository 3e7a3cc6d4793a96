"""What the scripts on all sides of a comparison share: flags, the timing of a prediction, and the results file."""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

WARM_UP = 8  # texts that are predicted before the clock starts

Predict = Callable[[list[str]], Sequence[Mapping[str, Any]]]


def add_training_flags(
    parser: argparse.ArgumentParser, *, epochs: float, batch_size: int, learning_rate: float
) -> None:
    """Adds the flags of a training, with a recipe's defaults."""
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--epochs", type=float, default=epochs)
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", required=True, help="folder for the results")


def add_text_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the columns of a CSV file with texts and labels."""
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="category")


def read_csv(path: str, text: str, label: str) -> tuple[list[str], list[str]]:
    """Returns the texts and the labels of a CSV file."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row[text] for row in rows], [row[label] for row in rows]


def time_prediction(load: Callable[[argparse.Namespace], tuple[Predict, str]], description: str | None) -> None:
    """Reads the flags, predicts a file's texts and writes seconds and accuracy.

    Args:
        load: flags -> what predicts texts, and what it computes in.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True)
    parser.add_argument("--test", required=True)
    add_text_flags(parser)
    parser.add_argument("--batch-size", type=int, default=1, help="of the pipeline; ftkit finds its own")
    parser.add_argument("--precision", default="fp32", help="of ftkit; the pipeline computes in the model's")
    parser.add_argument("--output", required=True, help="folder for the results")
    arguments = parser.parse_args()
    texts, labels = read_csv(arguments.test, arguments.text, arguments.label)
    predict, precision = load(arguments)
    predict(texts[:WARM_UP])
    started = time.perf_counter()
    found = predict(texts)
    seconds = time.perf_counter() - started
    right = sum(row["label"] == label for row, label in zip(found, labels, strict=True))
    results = {"predict_seconds": seconds, "test_accuracy": right / len(labels), "precision": precision}
    write_results(arguments.output, results)


def write_results(folder: str, results: Mapping[str, Any]) -> None:
    """Writes `results.json` into a folder and prints it."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    print(json.dumps(results))
