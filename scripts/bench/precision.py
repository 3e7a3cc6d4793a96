"""Measures training steps in float32 and bfloat16 on one model after another: what the rule on models' sizes rests on.

    python scripts/bench/precision.py --tokenizer FOLDER_OR_ID --texts FOLDER --pairs FOLDER --output runs/precision

The models have random weights: a BERT, a Llama that classifies and a Marian that translates, each in several widths,
and the checkpoints named by --checkpoints. Steps are whole: forward and backward pass and the optimizer, computed as
ftkit computes them. The two precisions take turns, step by step on the same batches, so that a slow moment of the
machine meets both; the gain is the median over the steps of float32's seconds over bfloat16's. They are seconds of the
processor, on one thread: other programs are in the way of those, but hardly change how many there are.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ftkit.adapters.rows import Batch
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.run_config import load_config
from ftkit.engine import training
from ftkit.engine.batching import plan_epoch
from ftkit.engine.current_batch import computing
from ftkit.engine.precision import mean_width
from ftkit.engine.step_plan import RowOfEpoch
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.errors import FtkitError
from ftkit.run import check
from ftkit.speedups import memory
from ftkit.speedups.table import Speedups
from measure import run_process

BATCH_SIZE, WARM_UP = 32, 4
FAMILIES = ("bert", "llama", "marian")
Step = Sequence[Batch]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="checkpoint whose tokenizer the BERTs and Llamas have")
    parser.add_argument("--texts", type=Path, required=True, help="folder with train.csv")
    parser.add_argument("--pairs", type=Path, required=True, help="folder with train.en and train.de")
    parser.add_argument("--output", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--widths", nargs="+", type=int, default=[64, 128, 256, 384])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--checkpoints", nargs="*", default=[], help="encoders or decoders to measure too")
    parser.add_argument("--padded", action="store_true", help="with train.unpad: false")
    parser.add_argument("--steps", type=int, default=40, help="in each precision")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--label-column", default="category")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    print("| model | mean width | fp32, ms a step | bf16, ms a step | gain |\n|---|---|---|---|---|", flush=True)
    for checkpoint in arguments.checkpoints:
        print(row(Path(checkpoint).name, checkpoint, text_sections(arguments), arguments), flush=True)
    for family, width in itertools.product(arguments.families, arguments.widths):
        folder = arguments.output / f"{family}-{width}"
        if family == "marian":
            make_translator(folder, width, arguments)
            sections = pair_sections(arguments)
        else:
            make_classifier(folder, family, width, arguments)
            sections = text_sections(arguments)
        print(row(f"{family}, {width} wide", str(folder), sections, arguments), flush=True)


def row(title: str, checkpoint: str, sections: dict[str, Any], arguments: argparse.Namespace) -> str:
    """Measures one model and returns its line of the table."""
    model, adapter, steps = prepare(checkpoint, sections, arguments)
    fp32, bf16 = measure(model, adapter, itertools.islice(steps, arguments.steps + WARM_UP))
    gain = statistics.median(one / other for one, other in zip(fp32, bf16, strict=True))
    milliseconds = " | ".join(f"{statistics.median(seconds) * 1000:.1f}" for seconds in (fp32, bf16))
    return f"| {title} | {mean_width(model):.0f} | {milliseconds} | {gain:.2f}x |"


# --- the models ---


def make_classifier(folder: Path, family: str, width: int, arguments: argparse.Namespace) -> None:
    """Writes a checkpoint of random weights with the given tokenizer; once."""
    if (folder / "model.safetensors").is_file():
        return
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(arguments.tokenizer)
    heads = max(width // 32, 1)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=arguments.layers,
        num_attention_heads=heads,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        **({"num_key_value_heads": heads} if family == "llama" else {}),
    )
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_translator(folder: Path, width: int, arguments: argparse.Namespace) -> None:
    """Writes an untrained Marian with a vocabulary of its own; once."""
    if (folder / "model.safetensors").is_file():
        return
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

    tiny = arguments.output / "marian"
    if not tiny.exists():
        files = [str(arguments.pairs / name) for name in ("train.en", "train.de")]
        command = [sys.executable, "-m", "ftkit", "new", str(tiny), "--architecture", "marian", "--tokenizer-data"]
        run_process([*command, *files], arguments.output / "new.log", {})
    config = AutoConfig.from_pretrained(tiny)
    config.d_model, layers, heads = width, arguments.layers // 2, max(width // 32, 1)
    for side in ("encoder", "decoder"):
        sizes = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * width}
        for name, value in sizes.items():
            setattr(config, f"{side}_{name}", value)
    config.num_hidden_layers = layers
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)


# --- what is trained ---


def training_section(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns how many texts are in a step."""
    padding = {"unpad": False} if arguments.padded else {}
    return {"per_device_train_batch_size": BATCH_SIZE, "seed": 1, **padding}


def text_sections(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns task, data and training of a classification."""
    columns = {"text": arguments.text_column, "label": arguments.label_column}
    data = {"train": str(arguments.texts / "train.csv"), "columns": columns}
    return {"task": "text-classification", "data": data, "train": training_section(arguments)}


def pair_sections(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns task, data and training of a translation."""
    files = {name: str(arguments.pairs / file) for name, file in {"source": "train.en", "target": "train.de"}.items()}
    data = {"train": files, "source_lang": "en", "target_lang": "de"}
    return {"task": "translation", "data": data, "train": training_section(arguments)}


def prepare(
    checkpoint: str, sections: dict[str, Any], arguments: argparse.Namespace
) -> tuple[torch.nn.Module, TaskAdapter, Iterator[Step]]:
    """Returns a model, its task adapter and the batches of its training, as a run of ftkit has them."""
    output_dir = str(arguments.output / "run")
    run = check(load_config({**sections, "model": {"checkpoint": checkpoint}, "output_dir": output_dir}))
    engine = training.start_engine(
        run.config.train,
        run.directory.checkpoints,
        learning_rate=None,
        primary_metric=run.primary_metric,
        has_validation=False,
    )
    adapter = run.make_task_adapter()
    adapter.preprocessor.fit(run.splits["train"].examples)
    rows = adapter.preprocessor.encode(run.splits["train"].examples, targets=True)
    speedups = Speedups(run.config.train, run.config.tuner, engine, adapter, rows)
    model = adapter.objective.build().model
    speedups.attach("loaded", model)
    size = training.step_size(run.config.train, engine, padding_is_free=speedups.padding_is_free)
    collate = PartsCollator(adapter.preprocessor, rows.costs, size, seed=1)
    batches = (
        collate(TrainingRows(rows).__getitems__([RowOfEpoch(index, 0) for index in indices.tolist()]))[PARTS]
        for indices in plan_epoch(rows.costs, size, seed=1, epoch=0)
    )
    return model, adapter, batches


# --- the steps ---


def measure(model: Any, adapter: TaskAdapter, steps: Iterator[Step]) -> tuple[list[float], list[float]]:
    """Returns the seconds of each step in float32 and in bfloat16, those of the warm-up left out."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    model.train()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for count, step in enumerate(steps):
        for in_bf16 in (False, True) if count % 2 == 0 else (True, False):
            started = time.process_time()
            take(step, model, adapter, optimizer, in_bf16=in_bf16)
            seconds[in_bf16].append(time.process_time() - started)
    return seconds[False][WARM_UP:], seconds[True][WARM_UP:]


def take(step: Step, model: Any, adapter: TaskAdapter, optimizer: torch.optim.Optimizer, *, in_bf16: bool) -> None:
    """Computes one optimizer step."""
    for part in step:
        with computing(part):
            with torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
                outputs = model(**part.inputs)
            adapter.objective.loss(outputs, part).mean().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


if __name__ == "__main__":
    memory.keep_freed_memory()
    torch.set_num_threads(1)
    try:
        main()
    except FtkitError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
