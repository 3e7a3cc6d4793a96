"""A bare PyTorch loop over ftkit's own batches and parts: what is left when the Trainer around them is taken away.

The optimizer, its schedule and the clipping are the Trainer's defaults; everything is in float32. Of ftkit it uses the
plan of the batches and, with --as-ftkit, how it computes them: padding left out, freed memory kept. So the difference
between the two is what ftkit and the Trainer cost around it.
"""

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from ftkit.adapters.rows import Batch
from ftkit.config.train import DEFAULT_TOKENS
from ftkit.engine.batching import PART_COST, StepSize, padding_share, parts, plan_epoch
from ftkit.engine.current_batch import computing
from ftkit.speedups.memory import keep_freed_memory
from ftkit.speedups.unpad import unpad
from sides import add_text_flags, add_training_flags, read_csv, write_results

Batches = list[list[np.ndarray]]  # batch by batch, the row indices of its parts


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_training_flags(parser, epochs=3, batch_size=32, learning_rate=2e-4)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    add_text_flags(parser)
    parser.add_argument("--as-ftkit", action="store_true", help="without padding")
    return parser.parse_args()


def plan(lengths: np.ndarray, batch_size: int, seed: int, epoch: int, part_cost: float) -> Batches:
    """Returns ftkit's batches of an epoch, cut into ftkit's parts."""
    size = StepSize(rows=batch_size, cost=None, max_cost_at_once=DEFAULT_TOKENS, part_cost=part_cost)
    batches = plan_epoch(lengths, size, seed=seed, epoch=epoch)
    return [[batch[part] for part in parts(lengths[batch], size)] for batch in batches]


def stack(rows: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Pads rows of ids into `input_ids` and `attention_mask`, (B, T)."""
    mask_BT = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {"input_ids": pad_sequence(list(rows), batch_first=True), "attention_mask": mask_BT}


def make_optimizer(model: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Returns AdamW with the Trainer's two groups: biases and layer norms do not decay."""
    decayed = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def train(
    model: torch.nn.Module, ids: list[torch.Tensor], labels: torch.Tensor, epochs: list[Batches], learning_rate: float
) -> float:
    """Trains over the planned batches and returns the seconds it took."""
    started = time.perf_counter()
    optimizer = make_optimizer(model, learning_rate)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, sum(map(len, epochs)))
    rows_per_step = len(ids) / len(epochs[0])
    model.train()
    for batches in epochs:
        for batch in batches:
            for part in batch:
                rows = [ids[row] for row in part]
                inputs, lengths = stack(rows), [len(row) for row in rows]
                with computing(Batch(inputs, lengths=lengths)):  # a model that was not made ready for it does not ask
                    logits = model(**inputs).logits
                (cross_entropy(logits, labels[part], reduction="sum") / rows_per_step).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return time.perf_counter() - started


@torch.inference_mode()
def accuracy(model: torch.nn.Module, ids: list[torch.Tensor], labels: torch.Tensor) -> float:
    model.eval()
    predicted = [model(**stack(ids[start : start + 64])).logits.argmax(dim=1) for start in range(0, len(ids), 64)]
    return float((torch.cat(predicted) == labels).float().mean())


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    texts, names = read_csv(arguments.train, arguments.text, arguments.label)
    index = {name: position for position, name in enumerate(sorted(set(names)))}
    ids = [torch.tensor(row) for row in tokenizer(texts, truncation=True)["input_ids"]]
    lengths = np.array([len(row) for row in ids])
    model = AutoModelForSequenceClassification.from_pretrained(arguments.checkpoint, num_labels=len(index))
    if arguments.as_ftkit:
        keep_freed_memory()
        unpad(model)
    cost = math.inf if arguments.as_ftkit else PART_COST
    epochs = [
        plan(lengths, arguments.batch_size, arguments.seed, epoch, cost) for epoch in range(int(arguments.epochs))
    ]
    seconds = train(model, ids, torch.tensor([index[name] for name in names]), epochs, arguments.learning_rate)
    texts, names = read_csv(arguments.test, arguments.text, arguments.label)
    test_ids = [torch.tensor(row) for row in tokenizer(texts, truncation=True)["input_ids"]]
    results = {
        "train_runtime": seconds,
        "padding_share": 0.0
        if arguments.as_ftkit
        else padding_share(lengths, [part for b in epochs[0] for part in b]),
        "test_accuracy": accuracy(model, test_ids, torch.tensor([index[name] for name in names])),
        "precision": "fp32",
        "seed": arguments.seed,
    }
    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
