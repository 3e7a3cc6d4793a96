"""Batches of near-equal lengths within a token budget, in an order that depends on (seed, epoch) alone.

Every example appears exactly once an epoch. Every rank gets the same number of batches, and every epoch has the
same number, so a run can be resumed at any step. With lengths 3 9 4 8 and a budget of 18 tokens the batches are
{3 4} and {8 9}: 2 x 4 + 2 x 9 = 26 tokens, of which 2 are padding; as they come, {3 9} and {4 8} would cost 34.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from ftkit.errors import DataError

# Lengths are blurred by up to this share before they are sorted. Sharply sorted batches hold texts of one length, and
# that costs accuracy. Test accuracy on banking77 (MiniLM, 4 epochs, batches of 32, two seeds): 0.05 gave 0.919, 0.919
# with 3% padding; 0.15 gave 0.922, 0.927 with 13%; batches drawn at random, two thirds padding, gave 0.931, 0.927.
JITTER = 0.15


NUM_STRATA = 8  # a little less than the ten steps over which Adam's momentum (beta 0.9) averages


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may be. One example longer than `max_tokens` makes a batch of its own.

    Attributes:
        max_rows: examples in a batch.
        max_tokens: examples x longest of them, padding included.
    """

    max_rows: int
    max_tokens: int


def cut(lengths: np.ndarray, order: np.ndarray, limits: BatchLimits) -> list[np.ndarray]:
    """Cuts an order of rows into batches, each as full as the limits allow.

    Args:
        lengths: tokens of each row, (N,).
        order: row indices, (N,).
    """
    batches, start, longest = [], 0, 0
    for stop, length in enumerate(lengths[order].tolist()):
        longest = max(longest, length)
        num_rows = stop + 1 - start
        if start < stop and (num_rows > limits.max_rows or num_rows * longest > limits.max_tokens):
            batches.append(order[start:stop])
            start, longest = stop, length
    if len(order):
        batches.append(order[start:])
    return batches


def split_to_count(batches: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Halves the batches with most rows until there are `count`; a batch of one row cannot be halved."""
    batches = sorted(batches, key=len)
    while len(batches) < count and len(batches[-1]) > 1:
        largest = batches.pop()
        middle = len(largest) // 2
        batches += [largest[:middle], largest[middle:]]
        batches.sort(key=len)
    return batches


def blurred_batches(
    lengths: np.ndarray, limits: BatchLimits, *, seed: int, epoch: int, blur: float
) -> list[np.ndarray]:
    """Cuts the rows of one epoch, sorted by their lengths times 1 - blur to 1 + blur, into batches."""
    rng = np.random.default_rng([seed, epoch])
    ties = rng.permutation(len(lengths))
    factors = 1 + blur * rng.uniform(-1, 1, len(lengths))
    return cut(lengths, np.lexsort((ties, lengths * factors)), limits)


def num_batches(lengths: np.ndarray, limits: BatchLimits, *, seed: int, multiple_of: int = 1) -> int:
    """Returns how many batches every epoch has: what the first three and the sharply sorted rows need at most.

    Rounded up to a multiple for the ranks, where there are rows enough.
    """
    plans = [(epoch, JITTER) for epoch in range(3)] + [(0, 0.0)]
    count = max(len(blurred_batches(lengths, limits, seed=seed, epoch=epoch, blur=blur)) for epoch, blur in plans)
    rounded = -(-count // multiple_of) * multiple_of
    return rounded if rounded <= len(lengths) else count


def plan_epoch(
    lengths: np.ndarray, limits: BatchLimits, *, seed: int, epoch: int, multiple_of: int = 1
) -> list[np.ndarray]:
    """Returns the batches of one epoch, as row indices, in the order in which they are trained.

    Args:
        lengths: tokens of each row, (N,).
        multiple_of: the number of batches is a multiple of it where there are rows enough.
    """
    count = num_batches(lengths, limits, seed=seed, multiple_of=multiple_of)
    for blur in (JITTER, JITTER / 2, 0.0):  # an epoch that needs more batches than its count is blurred less
        batches = blurred_batches(lengths, limits, seed=seed, epoch=epoch, blur=blur)
        if len(batches) <= count:
            break
    batches = split_to_count(batches, count)
    return in_even_order(batches, lengths, np.random.default_rng([seed, epoch, 1]))


def in_even_order(batches: list[np.ndarray], lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Shuffles batches so that every few steps see short, middling and long examples alike.

    A batch of one length is a biased sample. The optimizer's momentum averages about ten steps, so it is the steps
    in a row that should be a fair sample: they are drawn as rounds of one random batch from each of several strata.
    """
    by_length = sorted(batches, key=lambda batch: float(lengths[batch].mean()))
    strata = [rng.permutation(stratum).tolist() for stratum in np.array_split(np.arange(len(batches)), NUM_STRATA)]
    order: list[int] = []
    while any(strata):
        order += rng.permutation([stratum.pop() for stratum in strata if stratum]).tolist()
    return [by_length[index] for index in order]


class LengthBatchSampler(Sampler[list[int]]):
    """This rank's batches of the current epoch; `set_epoch` moves on to another order.

    Args:
        lengths: tokens of each row, (N,).
        rank: which of the `world_size` processes asks; batch i belongs to rank i modulo world size.
    """

    drop_last = False

    def __init__(
        self, lengths: np.ndarray, limits: BatchLimits, *, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.lengths, self.limits, self.seed = lengths, limits, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.count = num_batches(lengths, limits, seed=seed, multiple_of=world_size)
        if self.count % world_size:
            raise DataError(
                f"{len(lengths)} training rows cannot be shared out evenly among {world_size} processes. Start fewer "
                "processes, or raise train.max_tokens_per_batch."
            )

    def set_epoch(self, epoch: int) -> None:
        """Chooses which epoch's order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        batches = plan_epoch(self.lengths, self.limits, seed=self.seed, epoch=self.epoch, multiple_of=self.world_size)
        for batch in batches[self.rank :: self.world_size][: len(self)]:
            yield batch.tolist()


def pad(
    rows: Sequence[Mapping[str, Any]], padding: Mapping[str, int], *, left: bool = False
) -> dict[str, torch.Tensor]:
    """Stacks rows into tensors, filled up on the right, with an attention mask made from the lengths.

    Args:
        rows: each with `input_ids`, what else the model reads, and `labels` where known.
        padding: column -> filling value; a column that is not named holds equal shapes, and is stacked.
        left: fill up on the left instead: prompts that are to be continued end together.

    Returns:
        `input_ids` (B, T), `attention_mask` (B, T), `labels` (B,), (B, L) or (B, T) ...
    """
    lengths = [len(row["input_ids"]) for row in rows]
    width = max(lengths)
    mask = torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]
    batch = {"attention_mask": (mask.flip(1) if left else mask).long()}
    for name in rows[0]:
        if name not in padding:
            values = torch.tensor(np.asarray([row[name] for row in rows]))
            # Python floats are 64 bits wide; against such labels the loss and its gradients would be too.
            batch[name] = values.float() if values.is_floating_point() else values
            continue
        filled = np.full((len(rows), max(len(row[name]) for row in rows)), padding[name], np.int64)
        for target, row in zip(filled, rows, strict=True):
            target[slice(len(target) - len(row[name]), None) if left else slice(len(row[name]))] = row[name]
        batch[name] = torch.from_numpy(filled)
    return batch


def padding_share(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Returns the share of a plan's tokens that are padding, from 0 to 1."""
    total = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1.0 - float(lengths.sum()) / total if total else 0.0
