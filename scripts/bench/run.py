"""Measures ftkit and plain transformers side by side, and writes table.md, results.json and plot.png.

    python scripts/bench/run.py all --quick --output runs/bench
    python scripts/bench/run.py classification --checkpoint FOLDER_OR_ID --data FOLDER --output runs/bench --repeats 3

A folder of data is recognised by its files: train.csv and test.csv (classification, prediction, startup, scaling),
train.conll and test.conll (ner), train.LANG and test*.LANG for two languages (translation). docs/performance.md tells
more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import classification
import demo_data
import ner
import plot
import prediction
import scaling
import slices
import startup
import translation
from ftkit.errors import FtkitError, UserError
from measure import FIRST_SEED, Benchmark, Outcome, alternate
from settings import Settings
from table import as_json, render, render_all

BENCHMARKS = {
    "classification": classification.benchmark,
    "ner": ner.benchmark,
    "translation": translation.benchmark,
    "prediction": prediction.benchmark,
    "startup": startup.benchmark,
    "scaling": scaling.benchmark,
}
ROWS, QUICK_ROWS = 1600, 48
MATMUL_SECONDS, QUICK_MATMUL_SECONDS = 2.0, 0.2


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", nargs="?", choices=[*BENCHMARKS, "all"], default="all")
    parser.add_argument("--checkpoint", help="an encoder: a folder or a Hub id; the built-in demo with --quick")
    parser.add_argument("--data", nargs="+", type=Path, help="folders with data; the built-in demo with --quick")
    parser.add_argument("--output", type=Path, required=True, help="folder for the table, the plot and the logs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="of the first repeat")
    parser.add_argument("--quick", action="store_true", help="few rows, one repeat: to see that everything works")
    parser.add_argument("--full", action="store_true", help="all rows, in the place of --rows")
    parser.add_argument("--rows", type=int, help=f"to train on, or to predict; {ROWS} by default")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, help="each task has its own by default")
    parser.add_argument("--variants", nargs="+", help="only these sides; the first is compared with the others")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", help="by default the other column of two")
    parser.add_argument("--languages", nargs=2, default=["en", "de"], metavar=("SOURCE", "TARGET"))
    parser.add_argument("--translation-checkpoint", help="an encoder-decoder; by default a fresh tiny one is made")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    output = arguments.output.resolve()
    names = list(BENCHMARKS) if arguments.benchmark == "all" else [arguments.benchmark]
    settings = settings_of(arguments, names, output)
    output.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for name in names:
        benchmark = choose_variants(BENCHMARKS[name](settings), arguments.variants)
        outcome = alternate(
            benchmark,
            repeats=1 if arguments.quick else arguments.repeats,
            output=output,
            matmul_seconds=QUICK_MATMUL_SECONDS if arguments.quick else MATMUL_SECONDS,
            first_seed=arguments.first_seed,
        )
        outcomes.append(outcome)
        print(render(outcome), flush=True)
        (output / "table.md").write_text(render_all(outcomes), encoding="utf-8")
        (output / "results.json").write_text(json.dumps(as_json(outcomes), indent=2), encoding="utf-8")
        plot.draw(outcomes, output / "plot.png")
    print(f"{output}: table.md, results.json, plot.png, and the logs of all processes", file=sys.stderr)


def settings_of(arguments: argparse.Namespace, names: Sequence[str], output: Path) -> Settings:
    """Returns the settings; what was not given is the demo's with `--quick`, else an error."""
    languages = tuple(arguments.languages)
    needs_checkpoint = any(name != "translation" for name in names)
    if needs_checkpoint and not (arguments.checkpoint or arguments.quick):
        raise UserError("--checkpoint is missing: a folder or a Hub id. With --quick the built-in demo serves.")
    if arguments.data is None and not arguments.quick:
        raise UserError("--data is missing: folders with data. With --quick the built-in demo serves.")
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else ROWS)
    return Settings(
        checkpoint=_absolute(arguments.checkpoint or str(demo_data.CHECKPOINT)),
        data={name: find_data(name, arguments.data, languages, output) for name in names},
        output=output,
        rows=None if arguments.full else rows,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        languages=languages,
        translation_checkpoint=_absolute(arguments.translation_checkpoint),
        text_column=arguments.text_column,
        label_column=arguments.label_column,
    )


def find_data(name: str, folders: Sequence[Path] | None, languages: tuple[str, str], output: Path) -> Path:
    """Returns the folder that a benchmark reads."""
    if folders is None:
        demos = {
            "ner": lambda: demo_data.tagged_words(output / "demo" / "ner"),
            "translation": lambda: demo_data.pairs(output / "demo" / "translation", languages),
        }
        return demos.get(name, lambda: demo_data.MESSAGES)()
    file = slices.train_file(name, languages)
    for folder in folders:
        if (folder / file).is_file():
            return folder.resolve()
    raise UserError(f"--data: {name} needs a folder with {file}; there is none in {', '.join(map(str, folders))}.")


def choose_variants(benchmark: Benchmark, names: Sequence[str] | None) -> Benchmark:
    """Returns the benchmark with some of its sides."""
    if names is None:
        return benchmark
    sides = {variant.name: variant for variant in benchmark.variants}
    if unknown := [name for name in names if name not in sides]:
        raise UserError(f"--variants: {benchmark.name} has no {', '.join(unknown)}. It has {', '.join(sides)}.")
    return replace(benchmark, variants=[sides[name] for name in names])


def _absolute(checkpoint: str | None) -> str | None:
    """Makes a folder's path absolute; a Hub id stays."""
    return str(Path(checkpoint).resolve()) if checkpoint and Path(checkpoint).is_dir() else checkpoint


if __name__ == "__main__":
    try:
        main()
    except FtkitError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
