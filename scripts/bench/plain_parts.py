"""What the plain scripts measure beside the recipe: the time of the first step, and how much is padding."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psutil
from transformers import TrainerCallback


class FirstStep(TrainerCallback):
    """Remembers when the first optimizer step ended, in seconds since the process started."""

    seconds: float | None = None

    def on_step_end(self, args, state, control, **kwargs):
        if self.seconds is None:
            self.seconds = time.time() - psutil.Process().create_time()


class CountingCollator:
    """A collator that counts how much of its batches is padding.

    Args:
        collate: the recipe's collator.
        both_sides: a row is as long as the longer of its source and its labels, as for an encoder-decoder.
    """

    def __init__(self, collate: Callable[[list[dict[str, Any]]], Any], *, both_sides: bool = False) -> None:
        self.collate, self.both_sides = collate, both_sides
        self.real = self.padded = 0

    def __call__(self, rows: list[dict[str, Any]]) -> Any:
        batch = self.collate(rows)
        lengths_B, width = batch["attention_mask"].sum(dim=1), batch["attention_mask"].shape[1]
        if self.both_sides:
            lengths_B = lengths_B.maximum((batch["labels"] != -100).sum(dim=1))
            width = max(width, batch["labels"].shape[1])
        self.real += int(lengths_B.sum())
        self.padded += len(lengths_B) * width
        return batch

    @property
    def padding_share(self) -> float:
        """Padding's share of all tokens so far, from 0 to 1."""
        return 1 - self.real / self.padded
