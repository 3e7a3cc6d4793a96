"""Prediction with a fine-tuned classifier: ftkit's predictor, what it exports, and transformers' pipeline."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from classification import sections
from measure import FIRST_SEED, Benchmark, Variant, Work, run_process
from settings import Settings, Training, count, ftkit_variant, script
from slices import Size, Texts, read_texts

BATCH_SIZES = ("1", "8", "32", "128")
ROWS_TO_TRAIN = 512  # enough for answers that differ; how good they are does not matter here


def benchmark(settings: Settings) -> Benchmark:
    folder = settings.output / "data" / "prediction"
    columns = (settings.text_column, settings.label_column)
    texts = read_texts(settings.data["prediction"], columns, Size(ROWS_TO_TRAIN, settings.rows), folder)
    model = train_model(settings.checkpoint, texts, folder)
    counted = count(str(model), folder, texts.test_texts)

    def variant(name: str, title: str, file: str, *more: str, model: Path = model) -> Variant:
        def command(seed: int, folder: Path) -> list[str]:
            flags = ("--model", model, "--test", texts.test, "--text", texts.columns[0], "--label", texts.columns[1])
            return script(file, *flags, *more, "--output", folder)

        return Variant(name, title, command)

    def ours(name: str, title: str, precision: str, model: Path = model) -> Variant:
        return variant(name, f"ftkit, {title}", "ftkit_prediction.py", "--precision", precision, model=model)

    def pipeline(size: str) -> Variant:
        title = f"pipeline, batch size {size}"
        return variant(f"pipeline-{size}", title, "plain_prediction.py", "--batch-size", size)

    return Benchmark(
        name="prediction",
        title="Prediction: text classification",
        facts=f"{len(texts.test_texts):,} texts, by the same model, trained for a moment on {len(texts.texts)} texts; "
        "score: accuracy.",
        variants=[
            ours("ftkit", "precision fp32", "fp32"),
            ours("ftkit-auto", "precision auto", "auto"),
            ours("ftkit-int8", "precision int8", "int8"),
            *(ours(f"ftkit-{name}", "exported to ONNX", "auto", folder) for name, folder in exports(model)),
            *(pipeline(size) for size in BATCH_SIZES),
        ],
        seconds_key="predict_seconds",
        score_key="test_accuracy",
        work=Work(counted["items"], counted["tokens"], counted["forward_flops"]),
    )


def train_model(checkpoint: str, texts: Texts, folder: Path) -> Path:
    """Fine-tunes a classifier, and returns its run directory."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    training = Training(checkpoint, epochs=1, batch_size=32, learning_rate=2e-4)
    data = sections(texts)
    command = ftkit_variant("ftkit", "ftkit", training, data).command(FIRST_SEED, folder)
    run_process(command, folder / "run.log", {})
    return folder / "run"


def exports(run: Path) -> list[tuple[str, Path]]:
    """Exports a run for ONNX Runtime, if that is installed; returns the name and folder of each export."""
    if importlib.util.find_spec("onnxruntime") is None:
        print("without ftkit's extra `onnx` nothing is exported", file=sys.stderr)
        return []
    made = []
    for name, options in (("onnx", []), ("onnx-int8", ["--quantize", "int8"])):
        folder = run.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "ftkit", "export", run, folder, "--format", "onnx", *options]
        run_process(command, run.with_name(f"{name}.log"), {})
        made.append((name, folder))
    return made
