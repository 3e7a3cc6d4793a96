"""Measures training on a GPU: ftkit against the plain Trainer, both in bf16, in tokens a second.

    python scripts/bench/gpu.py --output runs/bench-gpu

The models have random weights and the sizes of BERT base and of a Llama of 1.1 billion parameters; all weights are
trained, or adapters (LoRA) of all linear layers. They classify made-up texts whose lengths differ as those of messages
do: most are short, few are long. A side's share of the peak is the operations that the model needs for the real tokens
(see work.py), over the seconds and over what a large bf16 matrix product reaches on the same card. Without a GPU it
ends with code 2.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ftkit.errors import FtkitError, UserError
from measure import HERE, Variant, Work, run_json, run_variant, spread
from settings import Training, ftkit_variant, script, training_work

LONGEST = 512
MEDIAN_LENGTH, SPREAD = 40, 0.5  # of a log-normal distribution, in words; half of a random batch of 16 is padding
LABELS = ("one", "two", "three", "four")
MATMUL_SECONDS = 2.0


@dataclass(frozen=True)
class Model:
    """What is trained.

    Attributes:
        config: model type and sizes of the checkpoint.
        rows: texts of the one epoch; half a minute or so on a large card.
        lora_rank: of adapters that are trained instead of all weights.
    """

    title: str
    config: Mapping[str, Any]
    batch_size: int
    rows: int
    lora_rank: int | None = None

    @property
    def flops_share(self) -> float:
        """Of the operations of training all weights: nobody needs the gradient of a weight that rests."""
        return 1.0 if self.lora_rank is None else 2 / 3


LLAMA = {
    "model_type": "llama",
    "vocab_size": 32_000,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}

MODELS = {
    "bert": Model("BERT base", {"model_type": "bert", "vocab_size": 30_522}, batch_size=32, rows=16_384),
    "llama": Model("Llama, 1.1 billion parameters", LLAMA, batch_size=16, rows=2_048),
    "llama-lora": Model("Llama, 1.1 billion parameters, LoRA", LLAMA, batch_size=16, rows=2_048, lora_rank=16),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for checkpoints, data, logs and the table")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--variants", nargs="+", choices=SIDES, default=list(SIDES)[:3])
    parser.add_argument("--rows", type=int, help="texts to train on; each model has its own number by default")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    check_gpu()
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    machine = run_json([HERE / "machine.py", "--seconds", str(MATMUL_SECONDS)])
    found = {}
    for name in arguments.models:
        model, folder = MODELS[name], output / name
        rows = arguments.rows or model.rows
        make_checkpoint(model, folder / "checkpoint")
        texts = write_texts(folder, rows, model.config["vocab_size"])
        training = Training(str(folder / "checkpoint"), 1, model.batch_size, 2e-5)
        work = training_work(training, folder, texts)
        work = replace(work, flops=round(work.flops * model.flops_share))
        sides = [SIDES[side](training, folder, model.lora_rank) for side in arguments.variants]
        found[name] = measure(sides, work, machine, folder, arguments.repeats)
        print(table(model, found[name], machine), flush=True)
    (output / "results.json").write_text(json.dumps({"machine": machine, "models": found}, indent=2), encoding="utf-8")
    tables = [table(MODELS[name], sides, machine) for name, sides in found.items()]
    (output / "table.md").write_text("\n\n".join(tables) + "\n", encoding="utf-8")


def check_gpu() -> None:
    """Raises UserError where there is no GPU that computes in bf16."""
    import torch

    if not torch.cuda.is_available():
        raise UserError("No GPU was found, and this measures nothing else. For CPUs there is scripts/bench/run.py.")
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(f"{torch.cuda.get_device_name()} does not compute in bf16, which all sides are measured in.")


# --- what is trained on what ---


def make_checkpoint(model: Model, folder: Path) -> None:
    """Writes a checkpoint of random weights, with a tokenizer that has a token for each word; once."""
    if (folder / "tokenizer.json").is_file():
        return
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    sizes = dict(model.config)
    vocab = {"[PAD]": 0, "[UNK]": 1} | {f"w{index}": index for index in range(2, sizes["vocab_size"])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = AutoConfig.for_model(sizes.pop("model_type"), pad_token_id=0, max_position_embeddings=LONGEST, **sizes)
    AutoModel.from_config(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=LONGEST
    ).save_pretrained(folder)


def write_texts(folder: Path, rows: int, vocab_size: int) -> list[str]:
    """Writes `train.csv` and a small `test.csv` of made-up texts, and returns those of train."""
    made = random.Random(0)
    texts = [_text(made, vocab_size) for _ in range(rows + 64)]
    for name, part in (("train", texts[:rows]), ("test", texts[rows:])):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows((text, LABELS[index % len(LABELS)]) for index, text in enumerate(part))
    return texts[:rows]


def _text(made: random.Random, vocab_size: int) -> str:
    length = min(max(round(MEDIAN_LENGTH * made.lognormvariate(0, SPREAD)), 1), LONGEST)
    return " ".join(f"w{made.randrange(2, vocab_size)}" for _ in range(length))


# --- the sides ---


Side = Callable[[Training, Path, int | None], Variant]
"""What makes one of the sides of a training, its folder, and the rank of adapters, if such are trained."""


def ftkit_side(name: str, title: str, **train: Any) -> Side:
    """Returns what makes one of ftkit's sides, with keys of the config's section `train`."""

    def make(training: Training, folder: Path, lora_rank: int | None) -> Variant:
        data = {name: str(folder / f"{name}.csv") for name in ("train", "test")}
        sections = {"task": "text-classification", "data": {**data, "columns": {"text": "text", "label": "label"}}}
        sections |= {} if lora_rank is None else {"tuner": {"method": "lora", "rank": lora_rank}}
        return ftkit_variant(name, title, training, sections, precision="bf16", **train)

    return make


def plain_side(training: Training, folder: Path, lora_rank: int | None) -> Variant:
    """Returns the Trainer's side."""
    files = ("--train", folder / "train.csv", "--test", folder / "test.csv", "--text", "text", "--label", "label")
    tuner = () if lora_rank is None else ("--lora-rank", lora_rank)

    def command(seed: int, output: Path) -> list[str]:
        return script("plain_classification.py", *training.flags(seed, output), *files, *tuner, "--precision", "bf16")

    return Variant("plain", "plain Trainer", command)


SIDES: Mapping[str, Side] = {
    "ftkit": ftkit_side("ftkit", "ftkit"),
    "ftkit-unpad": ftkit_side("ftkit-unpad", "ftkit, unpad", unpad=True),
    "plain": plain_side,
    # Compiling takes its time, which only longer runs win back.
    "ftkit-compile": ftkit_side("ftkit-compile", "ftkit, torch_compile", torch_compile=True),
}


# --- the figures ---


def measure(
    sides: Sequence[Variant], work: Work, machine: Mapping[str, Any], folder: Path, repeats: int
) -> dict[str, dict[str, Any]]:
    """Runs all sides in turn and returns title -> figures, each a list with a value for each repeat.

    The last side runs once before: the first process reads its libraries from a cold disk, for ten seconds or more.
    """
    print(f"{folder.name}, warming up ...", file=sys.stderr, flush=True)
    run_variant(sides[-1], 0, folder / "logs" / "warm-up.log", None)
    found: dict[str, dict[str, Any]] = {side.title: {} for side in sides}
    for repeat in range(repeats):
        for side in sides:
            print(f"{folder.name}, {side.title}, {repeat + 1} ...", file=sys.stderr, flush=True)
            log = folder / "logs" / f"{side.name}-{repeat + 1}.log"
            results = run_variant(side, repeat + 1, log, None)
            seconds = results["train_runtime"]
            figures = {
                "tokens_per_second": work.tokens / seconds,
                "bf16_share": work.flops / seconds / 1e9 / machine["bf16_gflops"],
                "padding_share": results["padding_share"],
                "seconds": seconds,
            }
            for name, value in figures.items():
                found[side.title].setdefault(name, []).append(value)
    return found


def table(model: Model, sides: Mapping[str, Mapping[str, Sequence[float]]], machine: Mapping[str, Any]) -> str:
    """Returns the sides' medians as Markdown."""
    lines = [
        f"## {model.title}",
        "",
        f"{machine['device']}, torch {machine['torch']}; bf16 matrix product: {machine['bf16_gflops'] / 1e3:,.0f} "
        f"TFLOP/s; batch size {model.batch_size}; medians of {len(next(iter(sides.values()))['seconds'])}.",
        "",
        "| | tokens/s | of bf16 peak | padding | seconds |",
        "|---|---|---|---|---|",
    ]
    for title, figures in sides.items():
        middle = {name: spread(values).median for name, values in figures.items()}
        lines.append(
            f"| {title} | {middle['tokens_per_second']:,.0f} | {middle['bf16_share']:.1%} | "
            f"{middle['padding_share']:.0%} | {middle['seconds']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except FtkitError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
