"""The words of a sentence, or of a document of any length, as rows of tokens in which every word has its place.

The families differ in what a word has seen when its tag is read off. Encoders, the encoder of an encoder-decoder and
decoders without their causal mask see the whole text: the tag is read at the word's first piece. A causal decoder has
not seen the word there, so it is read at the last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.augmentation.texts import WordAugment
from ftkit.adapters.preprocessor import Shown
from ftkit.adapters.preprocessors.tokens import (
    NO_LOSS,
    TokenPreprocessor,
    dataset_of,
    id_column,
    start_no_threads_in_workers,
)
from ftkit.adapters.preprocessors.windows import Window, cut_windows
from ftkit.adapters.preprocessors.word_encoder import WordEncoder
from ftkit.adapters.rows import SOURCE, Batch, Encoded, Source
from ftkit.console import warn
from ftkit.errors import ConfigError
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, TokenExample

DEFAULT_OVERLAP = 4  # windows share a quarter: context enough on both sides, a third more tokens to read
_TOKEN_NAMES = ("cls_token_id", "bos_token_id", "sep_token_id", "eos_token_id")
Row = dict[str, list[int]]


class WordPreprocessor(TokenPreprocessor):
    """BERT, RoBERTa, DeBERTa ...; GPT-2, Llama, Qwen ...; the encoders of T5, mT5 ...

    Attributes:
        words: encodes words one by one.
        label_piece: the piece of a word that bears its tag: `first` or `last`.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("label_piece", "window_overlap", "augment")
    # A document is read in windows; what can still be too long is one word, which then loses pieces but not its tag.
    cut_meanings: ClassVar[Mapping[str, str]] = {
        "input": "a text with a word longer than the model reads; the word is tagged by the pieces that fit"
    }
    extras = ("word_positions",)

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace,
        *,
        max_length: int | None = None,
        label_piece: str | None = None,
        window_overlap: int | None = None,
        augment: Options = None,
    ) -> None:
        super().__init__(spec, labels, max_length=max_length)
        self.augment = section_of(WordAugment, augment)
        self.augment.check_has_effect(self.processor, spec.name)
        self.words = WordEncoder(self.processor, spec.name)
        self.looks_ahead = spec.attention == "bidirectional"
        self.label_piece = label_piece or ("first" if self.looks_ahead else "last")
        self.window_overlap = window_overlap
        if self._capacity is not None and self._capacity < 1:
            raise ConfigError(
                f"data.max_length: {self.max_length} tokens leave no room beside the {self.words.special.count} "
                "special tokens of this tokenizer. Say more."
            )

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.processor.pad_token_id, "labels": NO_LOSS, "word_positions": 0}

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """The piece that bears the tag: by default it follows from the attention, and the run records it."""
        return {"label_piece": self.label_piece}

    @property
    def _capacity(self) -> int | None:
        """Pieces of words that fit into one row."""
        return None if self.max_length is None else self.max_length - self.words.special.count

    def use_processor(self, processor: Any) -> None:
        """Takes an equal tokenizer for its own, so that many adapters keep one in memory."""
        self.processor = self.words.tokenizer = processor

    def encode(self, examples: Sequence[TokenExample], *, targets: bool) -> Encoded:
        """Cuts texts into rows that fit the model; every word is answered for, and bears loss, in exactly one of them.

        Example, BERT, "Bo Kurosawa" with B-PER I-PER (ids 1 2): the pieces [CLS] bo ku ##ros ##awa [SEP] get the
        labels -100 1 2 -100 -100 -100 and the word positions 1 2; the row costs 6.
        """
        if targets and not self.processor.is_fast:
            warn(
                f"The tokenizer of {self.spec.name} is a slow one, written in Python. Words and tags are aligned all "
                "the same, but encoding takes longer. If the checkpoint has a fast one, save it once: "
                "AutoTokenizer.from_pretrained(NAME, use_fast=True).save_pretrained(FOLDER)."
            )
        self.words.learn([word for example in examples for word in example.words])
        rows: list[Row] = []
        first_rows, num_cut = [0], 0
        for example in examples:
            pieces, is_cut = self._pieces(example.words)
            rows.extend(self._rows(pieces, example.tags if targets else None))
            first_rows.append(len(rows))
            num_cut += is_cut
        return Encoded(
            dataset_of(pa.table({name: id_column([row[name] for row in rows]) for name in rows[0]})),
            np.asarray([len(row["input_ids"]) for row in rows], np.int64),
            first_rows=np.asarray(first_rows, np.int64),
            cut={"input": num_cut},
        )

    def _pieces(self, words: Sequence[str]) -> tuple[list[tuple[int, ...]], bool]:
        """Returns the pieces of each word, and whether one alone was longer than the model and lost some."""
        pieces = [self.words.pieces(word) for word in words]
        capacity = self._capacity
        if capacity is None or all(len(ids) <= capacity for ids in pieces):
            return pieces, False
        kept = slice(None, capacity) if self.label_piece == "first" else slice(-capacity, None)
        return [ids[kept] for ids in pieces], True

    def _rows(self, pieces: Sequence[tuple[int, ...]], tags: Sequence[str] | None) -> Iterator[Row]:
        """Yields the rows of one text."""
        for window in self._windows(pieces):
            yield self._row(window, pieces[window.start : window.stop], tags)

    def _windows(self, pieces: Sequence[tuple[int, ...]]) -> list[Window]:
        overlap = self.window_overlap
        if self._capacity is not None and overlap is None:
            overlap = self._capacity // DEFAULT_OVERLAP
        sizes = [len(ids) for ids in pieces]
        return cut_windows(sizes, self._capacity, overlap or 0, looks_ahead=self.looks_ahead)

    def _row(self, window: Window, pieces: Sequence[tuple[int, ...]], tags: Sequence[str] | None) -> Row:
        """Returns the row of a window.

        Args:
            pieces: of the words of the window.
            tags: of all words of the text.
        """
        special, sizes = self.words.special, np.array([len(ids) for ids in pieces], np.int64)
        input_ids = [*special.before, *(id_ for ids in pieces for id_ in ids), *special.after] or [self.words.nothing]
        ends = np.cumsum(sizes) + len(special.before)
        places = ends - sizes if self.label_piece == "first" else ends - 1
        positions = places[window.first - window.start : window.last - window.start].tolist()
        row = {"input_ids": input_ids, "word_positions": positions}
        if tags is not None:
            row["labels"] = [NO_LOSS] * len(input_ids)
            for position, tag in zip(positions, tags[window.first : window.last], strict=True):
                row["labels"][position] = self.labels.index(tag)  # type: ignore[union-attr]
        return row

    # --- changes in training ---

    def to_train(self, encoded: Encoded, examples: Sequence[Any]) -> Encoded:
        """Returns rows with the examples that they are changed from, and the positions that they may take then."""
        if not self.augment:
            return encoded
        limit = (self.max_length,)
        costs = [min(filter(None, (self.augment.longest(int(cost)), *limit))) for cost in encoded.costs]
        return dataclasses.replace(encoded, costs=np.array(costs, np.int64), sources=examples)

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right, in training perhaps made anew of changed words; see `TokenPreprocessor.collate`."""
        if SOURCE in rows[0]:
            assert rngs is not None, "what is drawn in training is drawn from generators"
            start_no_threads_in_workers()
            rows = [self._changed(*each) for each in zip(rows, rngs, strict=True)]
        return super().collate(rows, training=training, rngs=rngs)

    def _changed(self, row: Mapping[str, Any], rng: np.random.Generator) -> Mapping[str, Any]:
        """Returns a row of the same words, changed; as it is where they would take too many positions.

        A document's windows are those of its words as they are, so that every word still bears loss in one row.
        """
        source: Source = row[SOURCE]
        words, tags = source.example.words, source.example.tags
        window = self._windows(self._pieces(words)[0])[source.place]
        changed = self._changed_words(words[window.start : window.stop], rng)
        self.words.learn(changed)
        pieces, is_cut = self._pieces(changed)
        made = self._row(window, pieces, tags)
        if is_cut or len(made["input_ids"]) > source.most:
            return {name: value for name, value in row.items() if name != SOURCE}
        return made

    def _changed_words(self, words: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Returns as many words, each of them changed by itself."""
        change = self.augment.changes(rng)
        return [change(word) for word in words]

    def shown(self, example: TokenExample, rng: np.random.Generator | None) -> Shown:
        """Returns the words of an example in one line, changed as training changes them."""
        return " ".join(example.words if rng is None else self._changed_words(example.words, rng))

    def recipe(self) -> dict[str, Any]:
        """Returns how words become tokens, and where their tags are read."""
        special = self.words.special
        return {
            "max_length": self.max_length,
            "space": self.words.space,
            "tokens_before": self._named(special.before),
            "tokens_after": self._named(special.after),
            "label_piece": self.label_piece,
        }

    def _named(self, ids: Sequence[int]) -> list[str | int]:
        """Returns for each id the attribute of the tokenizer that holds it, or the id itself."""
        return [
            next((name for name in _TOKEN_NAMES if getattr(self.processor, name, None) == id_), id_) for id_ in ids
        ]
