"""Two answers to one question, of which one is preferred, as token ids that are computed beside one another.

A training row is a pair: its loss compares the two answers, so they are never shared out to several batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from ftkit.adapters.preprocessor import Piece
from ftkit.adapters.preprocessors.learnt_rows import PROMPT, TURN, Learnt
from ftkit.adapters.preprocessors.next_token import NextTokenPreprocessor
from ftkit.adapters.preprocessors.sequences import without_oldest
from ftkit.adapters.preprocessors.tokens import dataset_of
from ftkit.adapters.rows import REFERENCE, Batch, Encoded, EncodedToScore
from ftkit.data.preferences import PreferenceExample
from ftkit.errors import NothingFits

PAIR = "pair"
"""What may be cut off, beside turns and prompts."""

_Sides = tuple[Learnt, Learnt]


class AnswerPairPreprocessor(NextTokenPreprocessor):
    """Pairs as rows of two token sequences, with labels on the answers alone; to be answered, as prompts."""

    version: ClassVar[int] = 1
    counts = False
    options: ClassVar[tuple[str, ...]] = ("form", "chat_template", "num_written", "max_new_tokens", "generation")
    cut_meanings: ClassVar[Mapping[str, str]] = {
        PAIR: "longer than the model reads, the question with one of its answers, and is left out",
        TURN: "longer than the model reads; the oldest turns before both answers were dropped",
        PROMPT: NextTokenPreprocessor.cut_meanings[PROMPT],
    }

    def fit(self, examples: Sequence[PreferenceExample]) -> None:  # type: ignore[override]
        """Derives how long answers may be from the longest chosen one of train, unless it was set."""
        super().fit([example.chosen for example in examples])

    # --- examples -> rows ---

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Turns pairs into rows to train on, or questions into what the model is given to go on with.

        Example, ChatML, `<|im_start|>` 1 and `<|im_end|>` 2: "Hi" with the answers "Hello" (chosen) and "No" is the
        row `{"input_ids": [[1, 4093, 198, 26843, 2, 198, 1, 520, 9531, 198, 19556, 2], [1, ..., 198, 3112, 2]],
        "labels": [[-100 ..., 19556, 2], [-100 ..., 3112, 2]]}`. Its cost is 2 x 12 = 24 positions.

        Raises:
            DataError: a conversation cannot be learnt from; NothingFits, if no pair fits.
        """
        if not targets:
            return self._prompts(examples)
        found = list(self._pairs(examples))
        pairs = [sides for sides, _ in found if sides is not None]
        if not pairs:
            raise NothingFits(
                f"Nothing can be learnt: of each of {len(found):,} pairs the question with one of its answers is "
                f"longer than {self.max_length} tokens.\nFix: raise data.max_length, or take a checkpoint that reads "
                "more."
            )
        counts = [int(sides is not None) for sides, _ in found]
        ids = pa.list_(pa.list_(pa.int32()))
        columns = {
            "input_ids": pa.array([[side.ids for side in sides] for sides in pairs], ids),
            "labels": pa.array([[side.labels for side in sides] for sides in pairs], ids),
        }
        cuts = [what for _, what in found]
        return Encoded(
            dataset_of(pa.table(columns)),
            np.asarray([2 * max(len(side.ids) for side in sides) for sides in pairs], np.int64),
            first_rows=None if all(counts) else np.concatenate([[0], np.cumsum(counts)]),
            cut={what: cuts.count(what) for what in (PAIR, TURN)},
        )

    def encode_to_score(self, examples: Sequence[Any], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns the pairs, whose losses are measured, and questions to be answered: all, or some to be read."""
        chosen = range(len(examples)) if all_predicted else self._chosen(len(examples))
        prompts = self._prompts([examples[place] for place in chosen])
        return EncodedToScore(prompts, self.encode(examples, targets=True), chosen=chosen)

    def _pairs(self, examples: Sequence[PreferenceExample]) -> Iterator[tuple[_Sides | None, str | None]]:
        """Yields both sides of each pair, and what was cut off; no sides of one that does not fit."""
        way = self._way(examples[0].form)
        sides = [way.learnt([getattr(example, name) for example in examples]) for name in ("chosen", "rejected")]
        for example, chosen, rejected in zip(examples, *sides, strict=True):
            if not (chosen.cut or rejected.cut):
                yield (chosen.rows[0], rejected.rows[0]), None
                continue
            shorter = self._shorter(example)
            yield (None, PAIR) if shorter is None else (shorter, TURN)

    def _shorter(self, example: PreferenceExample) -> _Sides | None:
        """Returns both sides without the oldest turns before them; None where even the last question is too long."""
        question, way = without_oldest(example.messages), self._way(example.form)
        while question is not None:
            sides = [
                dataclasses.replace(
                    side, messages=(*question, *side.messages[side.num_given :]), num_given=len(question)
                )
                for side in (example.chosen, example.rejected)
            ]
            chosen, rejected = way.learnt(sides)
            if not (chosen.cut or rejected.cut):
                return chosen.rows[0], rejected.rows[0]
            question = without_oldest(question)
        return None

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Puts the answers of all pairs below one another, and pads them on the right; prompts on the left.

        Example, pad id 2: a pair of [5, 6, 7] (labels [-100, 6, 7]) and [5, 8] ([-100, 8]) gives `input_ids` [[5, 6,
        7], [5, 8, 2]], `row_counts` [2] and labels [[[-100, 6, 7], [-100, 8, -100]]]. `reference`, (B, 2), are the
        log-probabilities of the answers before training, where rows have them.
        """
        if "labels" not in rows[0]:
            return super().collate(rows, training=training, rngs=rngs)
        names = ("input_ids", "labels")
        batch = self._padded([{name: row[name][side] for name in names} for row in rows for side in (0, 1)])
        has_reference = REFERENCE in rows[0]
        reference = torch.tensor([row[REFERENCE] for row in rows], dtype=torch.float32) if has_reference else None
        return dataclasses.replace(
            batch,
            labels=batch.labels.unflatten(0, (len(rows), 2)),
            extras={} if reference is None else {REFERENCE: reference},
            row_counts=[2] * len(rows),
        )

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns the tokens of question and chosen answer, and below them those of the rejected one."""
        chosen, rejected = (
            super(AnswerPairPreprocessor, self).pieces({name: row[name][side] for name in ("input_ids", "labels")})
            for side in (0, 1)
        )
        assert chosen is not None
        assert rejected is not None
        return [*chosen, Piece("\n[rejected] ", False), *(piece for piece in rejected if piece.bears_loss)]
