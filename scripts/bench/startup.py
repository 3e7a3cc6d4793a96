"""From the start of a process to the end of the first optimizer step: imports, data, checkpoint, one step."""

from __future__ import annotations

from classification import plain_variant, sections
from measure import Benchmark
from settings import Settings, Training, ftkit_variant
from slices import Size, read_texts

ROWS_TO_SCORE = 32


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "startup"
    columns = (settings.text_column, settings.label_column)
    texts = read_texts(settings.data["startup"], columns, Size(settings.rows, ROWS_TO_SCORE), folder)
    training = Training(settings.checkpoint, 1, 32, settings.learning_rate or 2e-4, max_steps=1)
    return Benchmark(
        name="startup",
        title="Start to first optimizer step",
        facts=f"{len(texts.texts):,} texts to read and tokenize; one run of each side before the measured ones.",
        variants=[
            ftkit_variant("ftkit", "ftkit", training, sections(texts)),
            plain_variant("plain", "plain Trainer, data new", training, texts),
            plain_variant("plain-cached", "plain Trainer, data cached", training, texts, warm_cache=True),
        ],
        seconds_key="first_step_seconds",
        warm_up=True,
    )
