"""Several texts, or pairs of texts, that belong to one example and are computed beside one another.

A row is a whole example: what belongs together is never shared out to several batches. Examples may have different
numbers of texts; nothing is padded for those that have few.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.text import TextPreprocessor
from ftkit.adapters.preprocessors.tokens import dataset_of, in_chunks
from ftkit.adapters.rows import Batch, Encoded
from ftkit.types import TextExample

EXAMPLES_AT_ONCE = 500
COUNT = "num_texts"
"""The column of rows that says how many texts, or pairs, an example has."""


class TextGroupsPreprocessor(TextPreprocessor):
    """Rows of several texts; a subclass says which (`_members`), and what is to be learnt of them."""

    cut_meanings: ClassVar[Mapping[str, str]] = {"input": "longer than the model reads and was cut"}

    def _members(self, example: Any) -> list[TextExample]:
        """Returns the texts, or pairs of texts, of an example."""
        raise NotImplementedError

    def _targets(self, examples: Sequence[Any]) -> pa.Array:
        """Returns what is to be learnt of some examples, one value or list each."""
        raise NotImplementedError

    def stacked(self, targets: Sequence[Any]) -> Any:
        """Returns the targets of the rows of a batch as one tensor, rows on the first axis."""
        raise NotImplementedError

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Tokenizes the texts of each example into one row.

        Example, BERT, pairs of the text "rain" with "wet" and with "very dry", of which the first is right: the row
        `{"input_ids": [[101, 4542, 102, 4954, 102], [101, 4542, 102, 2200, 4318, 102]], "token_type_ids":
        [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1]], "num_texts": 2, "labels": [1.0, 0.0]}`. Its cost is 2 x 6 = 12
        positions.
        """
        chunks: list[pa.Table] = []
        costs: list[int] = []
        num_cut = 0
        for chunk in in_chunks(examples, EXAMPLES_AT_ONCE):
            members = [self._members(example) for example in chunk]
            encoding = self._tokenize([member for of_example in members for member in of_example])
            starts = np.cumsum([0, *map(len, members)])
            offsets = pa.array(starts, pa.int32())
            columns = {name: pa.ListArray.from_arrays(offsets, ids) for name, ids in encoding.columns.items()}
            columns[COUNT] = pa.array(np.diff(starts))
            if targets:
                columns["labels"] = self._targets(chunk)
            lengths = np.array([len(ids) for ids in encoding.ids])
            costs.extend((np.maximum.reduceat(lengths, starts[:-1]) * np.diff(starts)).tolist())
            is_cut = [bool(row.overflowing) for row in encoding.encodings]
            num_cut += int(np.logical_or.reduceat(is_cut, starts[:-1]).sum())
            chunks.append(pa.table(columns))
        return Encoded(dataset_of(pa.concat_tables(chunks)), np.asarray(costs, np.int64), cut={"input": num_cut})

    def _most_costs(self, encoded: Encoded) -> np.ndarray:
        """Returns the positions that changed rows may take, as many for each of their texts as for the longest."""
        counts_R = np.asarray(encoded.rows.with_format("numpy")[:][COUNT])
        return np.array([self._most(int(length)) for length in encoded.costs // counts_R], np.int64) * counts_R

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Puts the texts of all examples below one another, and pads them on the right.

        Example, pad id 0: an example with the texts [5, 6] and [5, 7, 8], and one with [9] alone give `input_ids`
        [[5, 6, 0], [5, 7, 8], [9, 0, 0]] and `row_counts` [2, 1]; relevances 1 and 0 of the one and 1 of the other
        give the labels [[1, 0], [1, 0]]: shorter lists are filled up.
        """
        rows = self._changed(rows, rngs)
        names = [name for name in rows[0] if name not in (COUNT, "labels")]
        counts = [row[COUNT] for row in rows]
        texts = [
            {name: row[name][place] for name in names}
            for row, count in zip(rows, counts, strict=True)
            for place in range(count)
        ]
        labels = self.stacked([row["labels"] for row in rows]) if "labels" in rows[0] else None
        return dataclasses.replace(self._padded(texts), labels=labels, row_counts=counts)
