"""What all preprocessors of text share: a tokenizer, its limits, and batches of token ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.columns import attention_mask, pad_columns
from ftkit.adapters.task_adapter import Batch, PreprocessorBase
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer, max_input_length
from ftkit.types import LabelSpace

T = TypeVar("T")

NO_LOSS = -100
ENCODE_CHUNK = 2_000  # texts handed to the tokenizer at once: it works on all cores within a chunk


class TokenPreprocessor(PreprocessorBase):
    """Owns a tokenizer and pads rows of `input_ids`.

    Attributes:
        extras: columns that are not for the model.
    """

    extras: tuple[str, ...] = ()

    def __init__(self, spec: CheckpointSpec, labels: LabelSpace | None, *, max_length: int | None = None) -> None:
        self.spec, self.labels = spec, labels
        self.processor = load_tokenizer(spec)
        limit = max_input_length(self.processor, spec)
        self.max_length = min(filter(None, (max_length, limit)), default=None)

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.processor.pad_token_id, "token_type_ids": 0}

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right.

        Example, pad id 0: rows with the ids 101 7592 102 (label 1) and 101 102 (label 0) give `input_ids`
        [[101, 7592, 102], [101, 102, 0]], `attention_mask` [[1, 1, 1], [1, 1, 0]], labels [1, 0] and lengths [3, 2].
        """
        return self._padded(rows)

    def _padded(self, rows: Sequence[Mapping[str, Any]], *, left: bool = False) -> Batch:
        lengths = [len(row["input_ids"]) for row in rows]
        columns = pad_columns(rows, self.padding, left=left)
        labels = columns.pop("labels", None)
        extras = {name: columns.pop(name) for name in self.extras if name in columns}
        return Batch(
            inputs={"attention_mask": attention_mask(lengths, left=left), **columns},
            labels=labels,
            lengths=None if left else lengths,
            extras=extras,
            num_positions=len(rows) * max(lengths),
        )


def in_chunks(examples: Sequence[T], size: int = ENCODE_CHUNK) -> Iterator[Sequence[T]]:
    """Yields slices of a sequence."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def dataset_of(table: pa.Table) -> Any:
    """Returns a table as a datasets.Dataset in memory."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable(table))


def id_column(rows: Sequence[Sequence[int]]) -> pa.Array:
    """Returns lists of token ids, or of positions, as a column."""
    return pa.array(rows, pa.list_(pa.int32()))
