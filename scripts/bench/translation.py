"""Training a translator: ftkit and the Seq2SeqTrainer, both writing greedily when they are scored."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from measure import Benchmark, Variant, run_process
from settings import Settings, Training, ftkit_variant, script, training_work
from slices import Pairs, read_pairs

MAX_NEW_TOKENS = 64


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "translation"
    # Writing texts takes long, above all with a model that has not learnt yet where to stop.
    pairs = read_pairs(settings.data["translation"], settings.languages, settings.size(train_per_test=20), folder)
    checkpoint = settings.translation_checkpoint or fresh_checkpoint(pairs, folder / "checkpoint")
    training = Training(checkpoint, settings.epochs, 32, settings.learning_rate or 1e-3)

    def plain(seed: int, folder: Path) -> list[str]:
        files = ("--train", *pairs.train, "--test", *pairs.test, "--max-new-tokens", MAX_NEW_TOKENS)
        return script("plain_translation.py", *training.flags(seed, folder), *files)

    return Benchmark(
        name="translation",
        title="Training: translation",
        facts=f"{len(pairs.texts[0]):,} pairs; {training.told}; score: BLEU on {pairs.num_test:,} sentences, written "
        "greedily.",
        variants=[
            ftkit_variant("ftkit", "ftkit", training, sections(pairs)),
            Variant("plain", "plain Seq2SeqTrainer", plain),
        ],
        seconds_key="train_runtime",
        score_key="test_bleu",
        work=training_work(training, folder, *pairs.texts),
    )


def sections(pairs: Pairs) -> dict[str, object]:
    """Returns the task, data and generation of an ftkit config."""
    source_lang, target_lang = pairs.languages
    files = {"train": pairs.train, "test": pairs.test}
    data = {name: {"source": str(source), "target": str(target)} for name, (source, target) in files.items()}
    return {
        "task": "translation",
        "data": {**data, "source_lang": source_lang, "target_lang": target_lang},
        "generation": {"num_beams": 1, "max_new_tokens": MAX_NEW_TOKENS},
    }


def fresh_checkpoint(pairs: Pairs, folder: Path) -> str:
    """Makes a tiny untrained encoder-decoder with a vocabulary from the training texts."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "ftkit", "new", folder, "--architecture", "marian", "--tokenizer-data"]
    run_process([*command, *pairs.train], folder.with_suffix(".log"), {})
    return str(folder)
