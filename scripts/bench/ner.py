"""Training a tagger of words: ftkit and the Trainer."""

from __future__ import annotations

from pathlib import Path

from measure import Benchmark, Variant
from settings import Settings, Training, ftkit_variant, script, training_work
from slices import read_tagged_words


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "ner"
    data = read_tagged_words(settings.data["ner"], settings.size(train_per_test=4), folder)
    training = Training(settings.checkpoint, settings.epochs, 16, settings.learning_rate or 3e-4)
    files = {"train": str(data.train), "test": str(data.test)}

    def plain(seed: int, folder: Path) -> list[str]:
        flags = ("--train", data.train, "--test", data.test)
        return script("plain_token_classification.py", *training.flags(seed, folder), *flags)

    return Benchmark(
        name="ner",
        title="Training: token classification",
        facts=f"{len(data.words):,} sentences; {training.told}; score: strict entity F1 on {data.num_test:,} "
        "sentences.",
        variants=[
            ftkit_variant("ftkit", "ftkit", training, {"task": "token-classification", "data": files}),
            Variant("plain", "plain Trainer", plain),
        ],
        seconds_key="train_runtime",
        score_key="test_f1",
        work=training_work(training, folder, data.words),
    )
