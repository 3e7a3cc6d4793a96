"""Measures what it saves to compute frozen layers once: the same run with and without the cache, in turns.

    python scripts/bench/frozen_prefix.py --checkpoint FOLDER_OR_ID --data FOLDER --output runs/frozen_prefix

FOLDER holds train.csv and test.csv. The ratio is the seconds of the training loop without the cache over those with
it. The scores must be the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ftkit.errors import FtkitError
from ftkit.tuners.spec import METHODS
from measure import FIRST_SEED, run_variant, spread
from settings import Training, ftkit_variant
from slices import Size, Texts, read_texts

SIDES = {"cached": True, "uncached": False}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="a folder or a Hub id")
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv and test.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder for the drawn rows and the logs")
    parser.add_argument("--methods", nargs="+", default=["head-only", "last-layers"])
    parser.add_argument("--rows", type=int, default=1000, help="to train on, drawn at random")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", default="fp32", help="of both sides, so that no probe makes them differ")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", help="by default the other column of two")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    columns = (arguments.text_column, arguments.label_column)
    texts = read_texts(arguments.data, columns, Size(arguments.rows, None), arguments.output / "data")
    print(f"{len(texts.texts):,} texts, {arguments.epochs} epochs; accuracy on {len(texts.test_texts):,}")
    for method in arguments.methods:
        ratios = [compare(arguments, texts, method, repeat) for repeat in range(arguments.repeats)]
        middle = spread(ratios)
        print(f"{method}: ratio {middle.median:.2f} ({middle.low:.2f} to {middle.high:.2f})", flush=True)


def compare(arguments: argparse.Namespace, texts: Texts, method: str, repeat: int) -> float:
    """Runs both sides once, prints seconds and scores, and returns how many times as fast the cached one was."""
    found = {side: run(arguments, texts, method, side, repeat) for side in SIDES}
    for side, results in found.items():
        seconds, score, loss = (results[key] for key in ("train_runtime", "test_accuracy", "test_loss"))
        kept = results.get("frozen_prefix_cache", "nothing kept")
        scored = f"accuracy {score:.4f}, loss {loss:.6f}, {results['peak_mib']:,.0f} MiB"
        print(f"{method} {side} {repeat + 1}: {seconds:.2f} s, {scored}, {kept}", flush=True)
    return found["uncached"]["train_runtime"] / found["cached"]["train_runtime"]


def run(arguments: argparse.Namespace, texts: Texts, method: str, side: str, repeat: int) -> dict[str, Any]:
    """Returns the results of one process."""
    text, label = texts.columns
    training = Training(_absolute(arguments.checkpoint), arguments.epochs, 32, METHODS[method].learning_rate)
    sections = {
        "task": "text-classification",
        "data": {"train": str(texts.train), "test": str(texts.test), "columns": {"text": text, "label": label}},
        "tuner": {"method": method, "cache_frozen": SIDES[side]},
    }
    variant = ftkit_variant(side, side, training, sections, precision=arguments.precision)
    log = arguments.output / "logs" / f"{method}-{side}-{repeat + 1}.log"
    return run_variant(variant, FIRST_SEED + repeat, log, None)


def _absolute(checkpoint: str) -> str:
    return str(Path(checkpoint).resolve()) if Path(checkpoint).is_dir() else checkpoint


if __name__ == "__main__":
    try:
        main()
    except FtkitError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
