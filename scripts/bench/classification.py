"""Training a text classifier: ftkit, the Trainer with its recipe's padding and with run_glue's, and a bare loop."""

from __future__ import annotations

from pathlib import Path

from measure import Benchmark, Variant
from settings import Settings, Training, ftkit_variant, script, training_work
from slices import Texts, read_texts


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "classification"
    columns = (settings.text_column, settings.label_column)
    texts = read_texts(settings.data["classification"], columns, settings.size(train_per_test=4), folder)
    training = Training(settings.checkpoint, settings.epochs, 32, settings.learning_rate or 2e-4)
    return Benchmark(
        name="classification",
        title="Training: text classification",
        facts=f"{len(texts.texts):,} texts; {training.told}; score: accuracy on {len(texts.test_texts):,} texts.",
        variants=[
            ftkit_variant("ftkit", "ftkit, precision auto", training, sections(texts)),
            ftkit_variant("ftkit-fp32", "ftkit, precision fp32", training, sections(texts), precision="fp32"),
            ftkit_variant("ftkit-bf16", "ftkit, precision bf16", training, sections(texts), precision="bf16"),
            plain_variant("plain", "plain Trainer", training, texts),
            plain_variant("plain-128", "plain Trainer, padded to 128", training, texts, "--pad-to-max-length"),
            Variant("bare-loop", "bare PyTorch loop", _command("bare_loop.py", training, texts)),
            Variant(
                "bare-loop-as-ftkit",
                "bare loop, as ftkit computes",
                _command("bare_loop.py", training, texts, "--as-ftkit"),
            ),
        ],
        seconds_key="train_runtime",
        score_key="test_accuracy",
        work=training_work(training, folder, texts.texts),
        comparisons=[("ftkit-fp32", "bare-loop"), ("ftkit-fp32", "bare-loop-as-ftkit")],
    )


def sections(texts: Texts) -> dict[str, object]:
    """Returns the task and data of an ftkit config."""
    text, label = texts.columns
    data = {"train": str(texts.train), "test": str(texts.test), "columns": {"text": text, "label": label}}
    return {"task": "text-classification", "data": data}


def plain_variant(
    name: str, title: str, training: Training, texts: Texts, *flags: str, warm_cache: bool = False
) -> Variant:
    """Returns the Trainer's side."""
    return Variant(name, title, _command("plain_classification.py", training, texts, *flags), warm_cache=warm_cache)


def _command(name: str, training: Training, texts: Texts, *flags: str):
    columns = ("--text", texts.columns[0], "--label", texts.columns[1])
    files = ("--train", texts.train, "--test", texts.test)

    def command(seed: int, folder: Path) -> list[str]:
        return script(name, *training.flags(seed, folder), *files, *columns, *flags)

    return command
