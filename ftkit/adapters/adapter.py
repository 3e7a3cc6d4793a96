"""The protocol of a task adapter: how a kind of task meets a checkpoint family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ftkit.models.checkpoint import CheckpointSpec
from ftkit.types import LabelSpace, Split

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Prediction = dict[str, Any]
Batch = dict[str, "torch.Tensor"]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Built:
    """A model ready to be tuned.

    Attributes:
        model: float32, with label names in its config.
        new_parameters: names of the parameters that the checkpoint did not provide, read from the loading
            report. Whatever the tuner, they are trained and saved.
    """

    model: PreTrainedModel
    new_parameters: frozenset[str]


@dataclass(frozen=True)
class Encoded:
    """Examples as token ids, in the order of the split.

    Attributes:
        rows: a datasets.Dataset with `input_ids`, what else the model reads, and `labels` where known.
        lengths: tokens of each row, (N,).
        num_truncated: rows that were longer than `max_length`.
    """

    rows: Dataset
    lengths: np.ndarray
    num_truncated: int

    def __len__(self) -> int:
        return len(self.rows)


class Adapter(Protocol):
    """One per (kind of task, checkpoint family).

    An adapter is made from a checkpoint, the labels and the longest input, and owns the tokenizer.

    Attributes:
        version: raised whenever `encode` gives other rows for the same examples.
        padding: column -> value that fills it up in a batch; `attention_mask` is made from the lengths.
    """

    version: ClassVar[int]
    spec: CheckpointSpec
    labels: LabelSpace
    max_length: int | None
    tokenizer: PreTrainedTokenizerBase

    @property
    def padding(self) -> Mapping[str, int]: ...  # noqa: D102

    def encode(self, split: Split) -> Encoded:
        """Turns examples into rows; labels are kept where the examples have them."""
        ...

    def build(self) -> Built:
        """Loads the checkpoint with the head that the labels need."""
        ...

    def count_items(self, encoded: Encoded) -> int:
        """Returns how many terms the loss over these rows has: rows for a classifier, tokens for a tagger."""
        ...

    def loss(self, outputs: Any, labels: torch.Tensor) -> torch.Tensor:
        """Returns each row's loss, summed over its items: (B,)."""
        ...

    def reduce(self, outputs: Any) -> Batch:
        """Returns what evaluation keeps of a batch, never more: `predictions` (B, ...) and `scores` (B, ...)."""
        ...

    def decode(self, arrays: Arrays) -> Sequence[Prediction]:
        """Turns reduced outputs into what people read, one object a row."""
        ...
