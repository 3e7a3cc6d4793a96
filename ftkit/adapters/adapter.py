"""The protocol of a task adapter: how a kind of task meets a checkpoint family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
        lengths: tokens of each row, (R,).
        num_truncated: examples of which something was cut off: of documents read in windows, part of a single word;
            where texts are written, part of the source.
        num_truncated_targets: examples of which the target was cut off.
        first_rows: where an example may take several rows (a long document read in windows), the first row of
            each example and, last, the number of rows: (N + 1,). None: one row each.
        pads_left: prompts to be continued are padded on the left.
    """

    rows: Dataset
    lengths: np.ndarray
    num_truncated: int
    first_rows: np.ndarray | None = None
    pads_left: bool = False
    num_truncated_targets: int = 0

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.lengths) if self.first_rows is None else len(self.first_rows) - 1

    def rows_of(self, start: int, stop: int) -> np.ndarray:
        """Returns the indices of the rows that belong to examples `start` to `stop`."""
        if self.first_rows is None:
            return np.arange(start, stop)
        return np.arange(self.first_rows[start], self.first_rows[stop])


class AdapterBase:
    """What most adapters have in common.

    Attributes:
        writes_text: whether predictions are texts that the model writes token by token.
    """

    writes_text: ClassVar[bool] = False
    tokenizer: PreTrainedTokenizerBase

    @property
    def fitted_options(self) -> Mapping[str, Any]:
        """Options that were read off the training data; saved with the run beside those it was made with."""
        return {}

    def for_validation(self) -> Any:
        """Returns the adapter that scores the model while it is trained."""
        return self

    def fit(self, train: Encoded) -> None:
        """Reads off the training rows what `fitted_options` holds; `encode` does so too."""

    def save_tokenizer(self, folder: Path) -> None:
        """Writes the files from which inference makes the same tokenizer."""
        self.tokenizer.save_pretrained(folder)

    def use_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Takes an equal tokenizer for its own, so that many adapters keep one in memory."""
        self.tokenizer = tokenizer


class Adapter(Protocol):
    """One per (kind of task, checkpoint family).

    An adapter is made from a checkpoint, the labels, the longest input and the kind's own options, and owns the
    tokenizer: `Adapter(spec, labels, max_length=..., **options)`. The options are plain values, and are saved with
    the run, so that inference makes the same adapter.

    Attributes:
        version: raised whenever `encode` gives other rows for the same examples.
        labels: None for kinds that write text.
        padding: column -> value that fills it up in a batch; `attention_mask` is made from the lengths.
    """

    version: ClassVar[int]
    writes_text: ClassVar[bool]
    spec: CheckpointSpec
    labels: LabelSpace | None
    max_length: int | None
    tokenizer: PreTrainedTokenizerBase

    @property
    def padding(self) -> Mapping[str, int]: ...  # noqa: D102

    # --- see AdapterBase ---

    @property
    def fitted_options(self) -> Mapping[str, Any]: ...  # noqa: D102

    def for_validation(self) -> Adapter: ...  # noqa: D102

    def fit(self, train: Encoded) -> None: ...  # noqa: D102

    def save_tokenizer(self, folder: Path) -> None: ...  # noqa: D102

    def use_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None: ...  # noqa: D102

    # --- training ---

    def encode(self, split: Split) -> Encoded:
        """Turns examples into the rows that are trained on; what bears no loss has the label -100."""
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

    # --- evaluation and prediction ---

    def encode_prompt(self, split: Split) -> Encoded:
        """Turns examples into the rows that are predicted on; of a text to be written they hold nothing."""
        ...

    def run(self, model: PreTrainedModel, inputs: Batch) -> Batch:
        """Predicts a padded batch; keeps what is needed of each row and never more, rows on the first axis.

        With `labels` in the inputs it also gives each row's `loss` (B,).
        """
        ...

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns the arrays of the rows of examples `start` to `stop` into arrays with one entry an example.

        The result holds `predictions`, and `scores` and `confidences` where there are any.
        """
        ...

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns what should have been predicted, in the form of `predictions`."""
        ...

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> Sequence[Prediction]:
        """Turns finished arrays into what people read, one object an example."""
        ...
