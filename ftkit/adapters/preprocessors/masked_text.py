"""Texts of which some tokens are hidden and to be found again: BERT's masked language modelling (arXiv 1810.04805).

Of the tokens of a row a share is chosen. Of the chosen ones 80% become the mask token, 10% any other token, and 10%
stay as they are; the model has to tell all of them. In training they are drawn anew in each epoch, by seed, epoch and
row; to be scored they depend on the row's tokens alone, so that every evaluation of a text hides the same.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.blocks import cut_blocks
from ftkit.adapters.preprocessors.tokens import NO_LOSS, TokenPreprocessor, dataset_of, id_column, in_chunks
from ftkit.adapters.preprocessors.word_encoder import special_tokens
from ftkit.adapters.preprocessors.word_numbers import word_numbers
from ftkit.adapters.rows import Batch, Encoded
from ftkit.errors import CheckpointError, ConfigError, DataError
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, TextExample

MASKED, REPLACED = 0.8, 0.1  # of the chosen tokens; the others stay as they are
NOT_CHOSEN = -1  # the word number of what is never hidden
SPELLINGS = ("[MASK]", "<mask>")  # how tokenizers write a hidden token, and people in a text to be predicted
SEED = 20_181_011  # of what is hidden in rows to be scored: BERT's date


class MaskedTextPreprocessor(TokenPreprocessor):
    """BERT, RoBERTa, DeBERTa, ModernBERT, XLM-R ...

    Attributes:
        mlm_probability: the share of tokens that are chosen.
        whole_word_mask: whether all pieces of a word are chosen together.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("mlm_probability", "whole_word_mask")
    counts = True

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        mlm_probability: float = 0.15,
        whole_word_mask: bool = False,
    ) -> None:
        super().__init__(spec, labels, max_length=max_length)
        self.mlm_probability, self.whole_word_mask = mlm_probability, whole_word_mask
        self.special = special_tokens(self.processor)
        if self.processor.mask_token_id is None:
            raise CheckpointError(
                f"model.checkpoint: the tokenizer of {spec.name!r} has no mask token, so nothing can be hidden. "
                "Start from an encoder that was pretrained to find hidden tokens, such as BERT or RoBERTa."
            )
        if self.capacity is not None and self.capacity < 1:
            raise ConfigError(
                f"data.max_length: {self.max_length} tokens leave no room beside the {self.special.count} special "
                "tokens of this tokenizer. Say more."
            )

    @property
    def capacity(self) -> int | None:
        """Tokens of a text that fit into one row."""
        return None if self.max_length is None else self.max_length - self.special.count

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.processor.pad_token_id, "labels": NO_LOSS}

    # --- examples -> rows ---

    def encode(self, examples: Sequence[TextExample], *, targets: bool) -> Encoded:
        """Tokenizes texts; one that is longer than the model reads becomes several rows, of all its tokens.

        Example, BERT, `max_length` 6: "the cold rain stops nearly everywhere" is the two rows `{"input_ids": [101,
        1996, 3147, 4542, 102], "words": [-1, 0, 1, 2, -1]}` and `{"input_ids": [101, 6762, 3053, 7249, 102], "words":
        [-1, 3, 4, 5, -1]}`, each of cost 5. Without targets, to find what stands at `[MASK]`, rows have no `words`.

        Raises:
            DataError: without targets, for a text in which nothing is hidden.
        """
        rows: list[dict[str, list[int]]] = []
        first_rows, num_tokens = [0], 0
        for chunk in in_chunks(examples):
            for ids, words in self._tokenized(chunk if targets else [self._to_predict(row) for row in chunk]):
                num_tokens += len(ids)
                rows += (self._row(ids[start:stop], words[start:stop]) for start, stop in self._cut(words))
                first_rows.append(len(rows))
        columns = ("input_ids", "words") if targets else ("input_ids",)
        return Encoded(
            dataset_of(pa.table({name: id_column([row[name] for row in rows]) for name in columns})),
            np.asarray([len(row["input_ids"]) for row in rows], np.int64),
            first_rows=np.asarray(first_rows, np.int64),
            counts={"tokens": num_tokens} if targets else {},
        )

    def counted(self, encoded: Encoded) -> str | None:
        """Returns how many tokens the texts have, and whether all of them are read, and none twice.

        Example: "9,120 tokens in 420 rows, each read once".
        """
        whole = encoded.counts.get("tokens")
        if whole is None:
            return None
        read = int(np.sum(encoded.costs)) - self.special.count * encoded.num_rows
        return f"{whole:,} tokens in {encoded.num_rows:,} rows, " + (
            "each read once" if read == whole else f"{read:,} of them read"
        )

    def _tokenized(self, examples: Sequence[TextExample]) -> Iterator[tuple[list[int], list[int]]]:
        """Yields the ids of each text, and which word each is of; -1 of special tokens."""
        texts = [example.text for example in examples]
        encoding = self.processor(texts, add_special_tokens=False, verbose=False)
        special = frozenset(self.processor.all_special_ids)
        for place, (text, ids) in enumerate(zip(texts, encoding["input_ids"], strict=True)):
            if self.whole_word_mask:
                words = word_numbers(self.processor, encoding, place, text)
            else:
                words = list(range(len(ids)))
            yield ids, [NOT_CHOSEN if id_ in special else word for id_, word in zip(ids, words, strict=True)]

    def _cut(self, words: Sequence[int]) -> list[tuple[int, int]]:
        return cut_blocks(words, self.capacity)

    def _row(self, ids: Sequence[int], words: Sequence[int]) -> dict[str, list[int]]:
        before, after = self.special.before, self.special.after
        around = [NOT_CHOSEN] * len(before), [NOT_CHOSEN] * len(after)
        return {"input_ids": [*before, *ids, *after], "words": [*around[0], *words, *around[1]]}

    def _to_predict(self, example: TextExample) -> TextExample:
        """Returns a text with what is hidden spelt as the tokenizer does.

        Raises:
            DataError: nothing is.
        """
        mask, text = self.processor.mask_token, example.text
        if mask not in text:
            for spelling in SPELLINGS:
                text = text.replace(spelling, mask)
        if mask in text:
            return TextExample(id=example.id, text=text, line=example.line)
        raise DataError(f"there is no {mask} in the text; write it in the place of the word that is to be found")

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Hides tokens of rows, and pads them on the right.

        Example, BERT (mask 103), a share of 0.3: the ids 101 1996 3147 4542 102 of the words -1 0 1 2 -1, of which
        word 2 is chosen, give `input_ids` [[101, 1996, 3147, 103, 102]] and labels [[-100, -100, -100, 4542, -100]].
        """
        if "words" not in rows[0]:
            return self._padded(rows)
        if rngs is None or not training:
            rngs = [np.random.default_rng([SEED, *row["input_ids"]]) for row in rows]
        return self._padded([self._hidden(row, rng) for row, rng in zip(rows, rngs, strict=True)])

    def _hidden(self, row: Mapping[str, Any], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns a row of which some tokens are hidden, and `labels` that say which they were."""
        ids = np.asarray(row["input_ids"], np.int64)
        chosen = choose(np.asarray(row["words"]), self.mlm_probability, rng)
        labels = np.full(len(ids), NO_LOSS)
        labels[chosen] = ids[chosen]
        draws, others = rng.random(len(chosen)), rng.choice(self._replacements, len(chosen))
        shown = np.where(draws < MASKED + REPLACED, others, ids[chosen])
        ids[chosen] = np.where(draws < MASKED, self.processor.mask_token_id, shown)
        return {"input_ids": ids, "labels": labels}

    @functools.cached_property
    def _replacements(self) -> np.ndarray:
        """All ids that may stand in a text."""
        return np.setdiff1d(np.arange(len(self.processor)), self.processor.all_special_ids)

    def recipe(self) -> dict[str, Any]:
        """Returns the limit, and how a hidden token is written."""
        return {"max_length": self.max_length, "mask": self.processor.mask_token}


def num_chosen(num_tokens: int, share: float) -> int:
    """Returns how many of so many tokens are chosen: the share, rounded, and one at least where there are any."""
    return min(num_tokens, max(1, int(num_tokens * share + 0.5)))


def choose(words: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Returns the places of the tokens that are chosen, as many as `num_chosen` says.

    Words are chosen as a whole: one that would exceed the number is passed over for a shorter one, as in BERT's own
    code, so that there may be a few tokens less. Only where no word is short enough, one is chosen all the same.

    Example: the words -1 0 1 1 1 2 -1 and a share of 0.4, which is 2 of 5 tokens: words 0 and 2, whatever is drawn.

    Args:
        words: which word each token is of, (T,); -1 of those that are never chosen.
        share: of the tokens that may be chosen.
    """
    places = np.flatnonzero(words != NOT_CHOSEN)
    if not len(places):
        return places
    number = num_chosen(len(places), share)
    begins = np.flatnonzero(np.diff(words[places], prepend=-2) != 0)
    if len(begins) == len(places):
        return np.sort(places[rng.permutation(len(places))[:number]])
    pieces = np.split(places, begins[1:])
    order, taken, left = rng.permutation(len(pieces)), [], number
    for index in order:
        if len(pieces[index]) <= left:
            taken.append(pieces[index])
            left -= len(pieces[index])
    return np.sort(np.concatenate(taken or [min((pieces[index] for index in order), key=len)]))
