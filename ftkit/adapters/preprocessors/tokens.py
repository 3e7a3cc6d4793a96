"""What all preprocessors of text share: a tokenizer, its limits, and batches of token ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.columns import attention_mask, pad_columns
from ftkit.adapters.preprocessor import Piece, PreprocessorBase
from ftkit.adapters.rows import Batch, Encoded
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer, max_input_length
from ftkit.types import LabelSpace

T = TypeVar("T")

NO_LOSS = -100
COUNT_CHUNK = 10_000  # rows looked at at once
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

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns a row's tokens, and whether each bears loss; None where what is learnt is not of its tokens.

        Example: the tokens " Paris" and "<|im_end|>" of an answer, each with True.
        """
        labels, ids = row.get("labels"), row["input_ids"]
        if not isinstance(labels, list) or len(labels) != len(ids):
            return None
        names = self.processor.convert_ids_to_tokens(ids)
        texts = map(self._shown, ids, names)
        return [Piece(text, label != NO_LOSS) for text, label in zip(texts, labels, strict=True)]

    def _shown(self, id_: int, name: str) -> str:
        """Returns a token as a person reads it; a piece of a character as the tokenizer spells it."""
        text = self.processor.decode([id_])
        if not text or "\ufffd" in text:
            return name
        begins_word = name.startswith("▁") and not text.startswith(" ")  # decoders drop the space before a text
        return f" {text}" if begins_word else text

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


@dataclass
class Tokenized:
    """Texts as token ids.

    Attributes:
        ids: of each text.
        type_ids: which of two texts each token belongs to; None where the model does not read it.
        encodings: of the tokenizers library, or like them, where more is asked for.
    """

    ids: list[list[int]]
    type_ids: list[list[int]] | None
    encodings: Sequence[Any]

    @property
    def columns(self) -> dict[str, pa.Array]:
        """What the model reads, by the names that it has for it."""
        types = {} if self.type_ids is None else {"token_type_ids": id_column(self.type_ids)}
        return {"input_ids": id_column(self.ids), **types}


@dataclass
class PythonEncoding:
    """What is asked for of a text's tokens, in the words of the tokenizers library.

    Attributes:
        special_tokens_mask: 1 for each token that was put around the text, 0 for the others.
        overflowing: True where something was cut off.
    """

    ids: list[int]
    special_tokens_mask: list[int]
    overflowing: bool


def tokenized(
    processor: Any,
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    max_length: int | None,
    *,
    reads_special: bool = True,
) -> Tokenized:
    """Returns what a tokenizer of the tokenizers library makes of texts, or pairs of them.

    It is what `processor(texts, pairs)` gives, in two thirds of the time: that call prepares offsets, masks and
    dictionaries for each text. It is made for the first text, which sets the tokenizer up, and decides: where its ids
    are others than those of the library, as a tokenizer with code of its own may have, it is made for all texts.

    Args:
        reads_special: whether a tokenizer written in Python reads `</s>` in a text as the token of that name.
    """
    options: Any = {"truncation": max_length is not None, "max_length": max_length}
    if not processor.is_fast:
        return _tokenized_in_python(processor, texts, pairs, options, reads_special=reads_special)
    one = processor(texts[:1], None if pairs is None else pairs[:1], **options)
    whole = texts if pairs is None else list(zip(texts, pairs, strict=True))
    encodings = processor.backend_tokenizer.encode_batch_fast(whole)
    names = {"input_ids": "ids", "token_type_ids": "type_ids"}
    if any(list(one[name][0]) != getattr(encodings[0], names[name]) for name in names if name in one):
        encoding = processor(texts, pairs, **options)
        return Tokenized(encoding["input_ids"], encoding.get("token_type_ids"), encoding.encodings)
    type_ids = [row.type_ids for row in encodings] if "token_type_ids" in one else None
    return Tokenized([row.ids for row in encodings], type_ids, encodings)


def _tokenized_in_python(
    processor: Any, texts: Sequence[str], pairs: Sequence[str] | None, options: Any, *, reads_special: bool
) -> Tokenized:
    """Returns what a tokenizer written in Python makes of texts: those of CANINE, ByT5, BERTweet, FSMT ..."""
    asked: Any = {"return_special_tokens_mask": True, "split_special_tokens": not reads_special, "verbose": False}
    found = processor(texts, pairs, **asked)
    lengths = list(map(len, found["input_ids"]))
    longest = options["max_length"] or max(lengths)
    if max(lengths) > longest:
        found = processor(texts, pairs, **asked, **options)
    encodings = [
        PythonEncoding(ids, added, length > longest)
        for ids, added, length in zip(found["input_ids"], found["special_tokens_mask"], lengths, strict=True)
    ]
    return Tokenized(found["input_ids"], found.get("token_type_ids"), encodings)


def start_no_threads_in_workers() -> None:
    """Keeps tokenizers from starting threads in a loader's worker, which was forked from a process that had some."""
    from torch.utils.data import get_worker_info

    if get_worker_info() is not None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


def in_chunks(examples: Sequence[T], size: int = ENCODE_CHUNK) -> Iterator[Sequence[T]]:
    """Yields slices of a sequence."""
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def dataset_of(table: pa.Table) -> Any:
    """Returns a table as a datasets.Dataset in memory."""
    from datasets import Dataset
    from datasets.fingerprint import generate_random_fingerprint
    from datasets.table import InMemoryTable

    # Without a fingerprint, it would be computed from the whole table, pickled.
    return Dataset(InMemoryTable(table), fingerprint=generate_random_fingerprint())


def id_column(rows: Sequence[Sequence[int]]) -> pa.Array:
    """Returns lists of token ids, or of positions, as a column."""
    return pa.array(rows, pa.list_(pa.int32()))


def label_counts(encoded: Encoded, column: str = "labels", left_out: int = NO_LOSS) -> np.ndarray:
    """Returns how many positions of each row bear a loss, (R,).

    Example: `labels` [[-100, 5, 7], [-100, 6]] are 2 and 1.

    Args:
        encoded: with a column of lists of numbers, of which `left_out` bears no loss.
    """
    batches = encoded.rows.with_format("arrow").iter(batch_size=COUNT_CHUNK)
    counts = [np.zeros(0, np.int64)]
    for part in (part for batch in batches for part in batch[column].chunks):
        before = np.concatenate([[0], np.cumsum(part.flatten().to_numpy() != left_out)])
        offsets = part.offsets.to_numpy()
        counts.append(np.diff(before[offsets - offsets[0]]))
    return np.concatenate(counts)
