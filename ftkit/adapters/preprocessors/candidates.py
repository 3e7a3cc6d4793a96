"""A text with each of its candidates, as pairs of texts that are computed beside one another.

A training row is a whole example: its candidates compete, so they are never shared out to several batches. Examples
may have different numbers of candidates; nothing is padded for those that have few.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch

from ftkit.adapters.preprocessors.text import (
    DecoderTextPreprocessor,
    EncoderDecoderTextPreprocessor,
    TextPreprocessor,
)
from ftkit.adapters.preprocessors.tokens import dataset_of, in_chunks
from ftkit.adapters.rows import Batch, Encoded
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, TextExample

EXAMPLES_AT_ONCE = 500
COUNT = "num_candidates"
"""The column of rows that says how many candidates an example has."""


class CandidatesPreprocessor(TextPreprocessor):
    """Cross-encoders: text and candidate are read together, in the form of each family's pairs."""

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("cut_side",)
    cut_meanings: ClassVar[Mapping[str, str]] = {"input": "longer than the model reads and was cut"}

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        cut_side: Literal["left", "right"] = "right",
    ) -> None:
        """Loads the tokenizer.

        Args:
            cut_side: where a pair loses tokens that the tokenizer joins into one text, as GPT-2's does: on the left a
                passage is cut and its question stays, on the right a document is cut and its query stays. Of other
                pairs the longer text is cut.
        """
        super().__init__(spec, labels, max_length=max_length)
        if self.pair_joint is not None:
            self.processor.truncation_side = cut_side

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Tokenizes the pairs of each example into one row.

        Example, BERT: the text "rain" with the candidates "wet" (right) and "very dry" is the row `{"input_ids":
        [[101, 4542, 102, 4954, 102], [101, 4542, 102, 2200, 4318, 102]], "token_type_ids": [[0, 0, 0, 1, 1],
        [0, 0, 0, 1, 1, 1]], "num_candidates": 2, "labels": [1.0, 0.0]}`. Its cost is 2 x 6 = 12 positions.
        """
        chunks: list[pa.Table] = []
        costs: list[int] = []
        num_cut = 0
        for chunk in in_chunks(examples, EXAMPLES_AT_ONCE):
            encoding = self._tokenize([_pair(*pair) for example in chunk for pair in example.pairs])
            starts = np.cumsum([0, *(len(example.candidates) for example in chunk)])
            offsets = pa.array(starts, pa.int32())
            columns = {name: pa.ListArray.from_arrays(offsets, ids) for name, ids in encoding.columns.items()}
            columns[COUNT] = pa.array(np.diff(starts))
            if targets:
                columns["labels"] = pa.array([example.relevances for example in chunk], pa.list_(pa.float32()))
            lengths = np.array([len(ids) for ids in encoding.ids])
            costs.extend((np.maximum.reduceat(lengths, starts[:-1]) * np.diff(starts)).tolist())
            is_cut = [bool(row.overflowing) for row in encoding.encodings]
            num_cut += int(np.logical_or.reduceat(is_cut, starts[:-1]).sum())
            chunks.append(pa.table(columns))
        return Encoded(dataset_of(pa.concat_tables(chunks)), np.asarray(costs, np.int64), cut={"input": num_cut})

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Puts the pairs of all examples below one another, and pads them on the right.

        Example, pad id 0: an example with the pairs [5, 6] and [5, 7, 8] (relevances 1 and 0), and one with [9] alone
        give `input_ids` [[5, 6, 0], [5, 7, 8], [9, 0, 0]], `row_counts` [2, 1] and, where rows have them, labels
        [[1, 0], [1, 0]]: shorter lists of relevances are filled up with 0.
        """
        names = [name for name in rows[0] if name not in (COUNT, "labels")]
        counts = [row[COUNT] for row in rows]
        pairs = [
            {name: row[name][place] for name in names}
            for row, count in zip(rows, counts, strict=True)
            for place in range(count)
        ]
        labels = None
        if "labels" in rows[0]:
            relevances = [torch.tensor(row["labels"], dtype=torch.float32) for row in rows]
            labels = torch.nn.utils.rnn.pad_sequence(relevances, batch_first=True)
        return dataclasses.replace(self._padded(pairs), labels=labels, row_counts=counts)


class DecoderCandidatesPreprocessor(CandidatesPreprocessor, DecoderTextPreprocessor):
    """GPT-2, Llama, Qwen ...: text and candidate with a line break between them."""


class EncoderDecoderCandidatesPreprocessor(CandidatesPreprocessor, EncoderDecoderTextPreprocessor):
    """T5, BART ..."""


def _pair(text: str, candidate: str) -> TextExample:
    return TextExample(id=0, text=text, text_pair=candidate)
