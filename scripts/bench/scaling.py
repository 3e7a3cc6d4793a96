"""Training a text classifier on one process and on two: what each of the ways makes of a second processor."""

from __future__ import annotations

from pathlib import Path

import classification
from measure import Benchmark, Variant
from settings import Settings, Training, ftkit_variant, training_work
from slices import read_texts

ROWS_OF_A_STEP = 32


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "scaling"
    columns = (settings.text_column, settings.label_column)
    texts = read_texts(settings.data["scaling"], columns, settings.size(train_per_test=4), folder)

    def side(name: str, title: str, *, processes: int, threads: int) -> Variant:
        rows = ROWS_OF_A_STEP // processes
        training = Training(settings.checkpoint, settings.epochs, rows, settings.learning_rate or 2e-4)
        one = ftkit_variant(name, title, training, classification.sections(texts), precision="fp32", use_cpu=True)

        def command(seed: int, output: Path) -> list[str]:
            launched = [] if processes == 1 else ["--num-processes", str(processes)]
            return ["env", f"OMP_NUM_THREADS={threads}", *one.command(seed, output), *launched]

        return Variant(name, title, command, results=one.results)

    whole = Training(settings.checkpoint, settings.epochs, ROWS_OF_A_STEP, settings.learning_rate or 2e-4)
    return Benchmark(
        name="scaling",
        title="Training: text classification on one process and on two",
        facts=f"{len(texts.texts):,} texts; {whole.told}; the same rows in a step on all sides.",
        variants=[
            side("two-processes", "two processes, a thread each", processes=2, threads=1),
            side("one-thread", "one process, one thread", processes=1, threads=1),
            side("two-threads", "one process, two threads", processes=1, threads=2),
        ],
        seconds_key="train_runtime",
        score_key="test_accuracy",
        work=training_work(whole, folder, texts.texts),
    )
