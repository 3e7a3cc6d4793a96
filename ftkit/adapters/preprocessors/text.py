"""A text, or a pair of texts, in one row of tokens.

The families differ in where a classifier reads the row off. Encoders pool their first token. Decoders pool the last
real token, which transformers finds by the pad id: so the pad id must be set. Encoder-decoders pool the last
end-of-sequence token: so a text must not smuggle one in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.augmentation.texts import TextAugment, with_texts
from ftkit.adapters.label_column import label_array
from ftkit.adapters.preprocessor import Shown
from ftkit.adapters.preprocessors.long_texts import LONG, beginning
from ftkit.adapters.preprocessors.tokens import (
    Tokenized,
    TokenPreprocessor,
    dataset_of,
    in_chunks,
    start_no_threads_in_workers,
    tokenized,
)
from ftkit.adapters.rows import SOURCE, Batch, Encoded
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, TextExample


class TextPreprocessor(TokenPreprocessor):
    """BERT, RoBERTa, DeBERTa, ModernBERT, ELECTRA ...; the other families change details."""

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("augment",)
    cut_meanings: ClassVar[Mapping[str, str]] = {"input": "longer than the model reads and was cut"}
    joins_pairs_with: ClassVar[str | None] = None
    reads_special: ClassVar[bool] = True

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        augment: Options = None,
    ) -> None:
        """Loads the tokenizer.

        Args:
            augment: changes of training texts.

        Raises:
            ConfigError: a change would have no effect.
        """
        super().__init__(spec, labels, max_length=max_length)
        self.augment = section_of(TextAugment, augment)
        self.augment.check_has_effect(self.processor, spec.name)

    def to_train(self, encoded: Encoded, examples: Sequence[Any]) -> Encoded:
        """Returns rows with the examples that they are changed from, and the positions that they may take then."""
        if not self.augment:
            return encoded
        return dataclasses.replace(encoded, costs=self._most_costs(encoded), sources=examples)

    def _most_costs(self, encoded: Encoded) -> np.ndarray:
        """Returns the positions that changed rows may take, (R,)."""
        return np.array([self._most(int(length)) for length in encoded.costs], np.int64)

    def _most(self, length: int) -> int:
        """Returns the most tokens that a changed text of so many may have."""
        return min(filter(None, (self.augment.longest(length), self.max_length)))

    def shown(self, example: Any, rng: np.random.Generator | None) -> Shown:
        """Returns the texts of an example in one line, changed as training changes them."""
        if rng is None:
            return example.summary()
        changed = with_texts(example, self.augment.changes(rng))
        most = self.to_train(self.encode([example], targets=False), [example]).costs[0]
        return (changed if self.encode([changed], targets=False).costs[0] <= most else example).summary()

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right, in training perhaps made anew of changed texts; see `TokenPreprocessor.collate`."""
        return super().collate(self._changed(rows, rngs), training=training, rngs=rngs)

    def _changed(
        self, rows: Sequence[Mapping[str, Any]], rngs: Sequence[np.random.Generator] | None
    ) -> Sequence[Mapping[str, Any]]:
        """Returns rows made anew of changed texts, but for those that would take too many positions.

        What is to be learnt stays that of the row: the same label, and, of texts that are compared, what tells equal
        texts from others.
        """
        if SOURCE not in rows[0]:
            return rows
        assert rngs is not None, "what is drawn in training is drawn from generators"
        start_no_threads_in_workers()
        sources = [row[SOURCE] for row in rows]
        changes = [self.augment.changes(rng) for rng in rngs]
        texts = [with_texts(one.example, change) for one, change in zip(sources, changes, strict=True)]
        found = self.encode(texts, targets=False)
        changed = found.rows.__getitems__(list(range(len(rows))))
        plain = [{name: value for name, value in row.items() if name != SOURCE} for row in rows]
        fits = [cost <= one.most for cost, one in zip(found.costs, sources, strict=True)]
        return [{**one, **other} if fit else one for one, other, fit in zip(plain, changed, fits, strict=True)]

    def encode(self, examples: Sequence[TextExample], *, targets: bool) -> Encoded:
        """Tokenizes texts; ids beyond `max_length` are cut and counted.

        Example, BERT, the labels `no`, `yes`, `max_length` 4: "it rains today" labelled `yes` is the row
        `{"input_ids": [101, 2009, 15811, 102], "token_type_ids": [0, 0, 0, 0], "labels": 1}` of cost 4, and `cut` is
        {"input": 1}.
        """
        chunks: list[pa.Table] = []
        lengths: list[int] = []
        num_cut = 0
        for chunk in in_chunks(examples):
            encoding = self._tokenize(chunk)
            num_cut += sum(bool(row.overflowing) for row in encoding.encodings)
            columns = encoding.columns
            if targets:
                columns["labels"] = self._label_column(chunk)
            lengths.extend(map(len, encoding.ids))
            chunks.append(pa.table(columns))
        return Encoded(dataset_of(pa.concat_tables(chunks)), np.asarray(lengths, np.int64), cut={"input": num_cut})

    def _tokenize(self, examples: Sequence[TextExample]) -> Tokenized:
        texts: list[str] = [example.text for example in examples]
        pairs: list[str] | None = [example.text_pair or "" for example in examples]
        if examples[0].text_pair is None:
            pairs = None
        elif self.pair_joint is not None:
            texts = [self.pair_joint.join(pair) for pair in zip(texts, pairs or (), strict=True)]
            pairs = None
        if self.max_length is not None:
            texts, pairs = self._beginnings(texts, pairs, self.max_length)
        return tokenized(self.processor, texts, pairs, self.max_length, reads_special=self.reads_special)

    def _beginnings(
        self, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
    ) -> tuple[list[str], list[str] | None]:
        """Returns texts without what is surely cut off; of a pair, where the other one is not long itself.

        Which of two long texts has more tokens decides which of them keeps one more.
        """
        if pairs is None:
            return [beginning(self.processor, text, max_length) for text in texts], None
        # A character has up to four tokens, one for each of its bytes.
        kept = [
            (
                one if len(other) > LONG else beginning(self.processor, one, max(max_length, 4 * len(other))),
                other if len(one) > LONG else beginning(self.processor, other, max(max_length, 4 * len(one))),
            )
            for one, other in zip(texts, pairs, strict=True)
        ]
        return [one for one, _ in kept], [other for _, other in kept]

    @property
    def pair_joint(self) -> str | None:
        """What stands between the texts of a pair; None where the tokenizer marks where the second one begins.

        GPT-2's does not.
        """
        if self.joins_pairs_with is None:
            return None
        added = [self.processor.num_special_tokens_to_add(pair=is_pair) for is_pair in (False, True)]
        return None if added[1] > added[0] else self.joins_pairs_with

    def _label_column(self, examples: Sequence[TextExample]) -> pa.Array:
        assert self.labels is not None
        array = label_array(examples, self.labels)
        return pa.array(list(array.astype(np.float32)), pa.list_(pa.float32())) if array.ndim > 1 else pa.array(array)

    def recipe(self) -> dict[str, Any]:
        """Returns how pairs are joined."""
        return {"max_length": self.max_length, "pair_joint": self.pair_joint}


class DecoderTextPreprocessor(TextPreprocessor):
    """GPT-2, Llama, Qwen ...: the last real token is pooled.

    Their tokenizers rarely mark where a second text begins, so a pair is joined by a line break instead. An empty
    text has no token to pool, so it becomes one end-of-text token.
    """

    joins_pairs_with = "\n"

    def _tokenize(self, examples: Sequence[TextExample]) -> Tokenized:
        encoding = super()._tokenize(examples)
        end = self.processor.eos_token_id
        nothing = self.processor.pad_token_id if end is None else end
        encoding.ids = [ids or [nothing] for ids in encoding.ids]
        return encoding


class EncoderDecoderTextPreprocessor(TextPreprocessor):
    """T5, BART ...: the last end-of-sequence token is pooled, and every row must hold equally many."""

    reads_special = False

    def _tokenize(self, examples: Sequence[TextExample]) -> Tokenized:
        # A literal "</s>" in a text would move the pooled position. Asking the tokenizer to read it as plain text is
        # not enough: SentencePiece vocabularies hold it as a piece like any other.
        encoding = super()._tokenize(examples)
        end, unknown = self.processor.eos_token_id, self.processor.unk_token_id
        encoding.ids = [
            [
                unknown if id_ == end and not added else id_
                for id_, added in zip(row.ids, row.special_tokens_mask, strict=True)
            ]
            for row in encoding.encodings
        ]
        encoding.type_ids = None
        return encoding
