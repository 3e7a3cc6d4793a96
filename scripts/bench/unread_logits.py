"""Measures training steps with and without logits that no loss reads, padding and float32: each alone, and all.

    python scripts/bench/unread_logits.py --checkpoint FOLDER --task fill-mask --train data/banking77/train.csv \
        --output runs/logits

The variants take turns, step by step on the same rows, so that a slow moment of the machine meets all. Steps are those
of precision.py: seconds of the processor on one thread. The gain is the median over the steps of those of float32 with
padding and all logits over the variant's. With --lora the checkpoint's layers get LoRA adapters of rank 8, else all of
it is trained.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import torch

import precision
from ftkit.speedups import memory
from ftkit.speedups.unread_logits import skip_unread_logits


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--train", required=True, help="rows to train on")
    parser.add_argument("--output", type=Path, required=True, help="folder that a run would be written to")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="of each variant, after one that is not counted")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    models = {unpad: prepare(arguments, unpad=unpad) for unpad in (False, True)}
    seconds: dict[tuple[bool, bool, bool], list[float]] = {}
    for step in range(arguments.steps + 1):
        for unpad, skip, in_bf16 in itertools.product((False, True), repeat=3):
            model, bare, adapter, steps, optimizer = models[unpad]
            handle = skip_unread_logits(bare, adapter.objective) if skip else None
            started = time.process_time()
            precision.take(steps[step], model, adapter, optimizer, in_bf16=in_bf16)
            seconds.setdefault((unpad, skip, in_bf16), []).append(time.process_time() - started)
            if handle is not None:
                handle.remove()
    print("| padding | unread logits | in | s a step | gain |\n|---|---|---|---|---|")
    plain = seconds[False, False, False][1:]
    for (unpad, skip, in_bf16), taken in seconds.items():
        gain = statistics.median(one / other for one, other in zip(plain, taken[1:], strict=True))
        names = ("left out" if unpad else "computed", "skipped" if skip else "computed", "bf16" if in_bf16 else "fp32")
        print(f"| {' | '.join(names)} | {statistics.median(taken[1:]):.2f} | {gain:.2f}x |")


def prepare(arguments: argparse.Namespace, *, unpad: bool) -> tuple[Any, Any, Any, list[Any], torch.optim.Optimizer]:
    """Returns a model, transformers' part of it, its task adapter, the steps of its training and an optimizer."""
    sections = {
        "task": arguments.task,
        "data": {"train": arguments.train},
        "train": {"per_device_train_batch_size": arguments.batch_size, "seed": 1, "unpad": unpad},
    }
    bare, adapter, steps = precision.prepare(arguments.checkpoint, sections, arguments)
    model = bare
    if arguments.lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(bare, LoraConfig(r=8, target_modules="all-linear"))  # type: ignore[arg-type]
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    return model, bare, adapter, list(itertools.islice(steps, arguments.steps + 1)), optimizer


if __name__ == "__main__":
    memory.keep_freed_memory()
    torch.set_num_threads(1)
    main()
