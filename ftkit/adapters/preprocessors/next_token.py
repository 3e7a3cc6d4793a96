"""Texts of which a model learns to tell the next token: conversations, prompts with their completions, documents."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.chat import LossOn
from ftkit.adapters.preprocessors.learnt_rows import (
    CONVERSATION,
    LEARNT_TOKENS,
    PROMPT,
    TOKENS,
    TURN,
    LearntExample,
    encoded,
    encoded_packed,
    longest_run,
)
from ftkit.adapters.preprocessors.sequences import ConversationSequences
from ftkit.adapters.preprocessors.text_sequences import DocumentSequences, PromptSequences, Sequences
from ftkit.adapters.preprocessors.tokens import NO_LOSS, TokenPreprocessor, dataset_of, id_column
from ftkit.adapters.rows import Batch, Encoded, EncodedToScore
from ftkit.data.conversations import ConversationExample, Form
from ftkit.errors import ConfigError, NothingFits
from ftkit.models.generation import GenerationSpec
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import max_input_length
from ftkit.types import LabelSpace

# Windows of a document where nothing is said: what a checkpoint reads may be more than memory holds.
DOCUMENT_LENGTH = 1024
DOCUMENT_TOKENS = 256  # written at most, where nothing is said: a document has no answer to go by
SLACK = 1.25  # answers to come may be longer than those of train
MOST_MEASURED = 200  # examples with the longest answers in characters: the one with the most tokens is among them


class NextTokenPreprocessor(TokenPreprocessor):
    """Examples as rows of token ids, with labels where they bear loss; to be answered, as prompts.

    Attributes:
        max_new_tokens: tokens written at most; read off the answers of train unless it was set.
        longest_source: None: how much is written does not depend on what is read.
        end_ids: tokens that end what is written.
        packing: whether short rows of train are laid into one, up to the length that the model reads.
    """

    version: ClassVar[int] = 1
    extras = ("num_bytes",)
    joins_examples = True  # rows may be packed, and what is answered is chosen from all
    counts = True
    options: ClassVar[tuple[str, ...]] = (
        *("form", "loss_on", "chat_template", "packing", "window_overlap", "num_written", "max_new_tokens"),
        "generation",
    )
    cut_meanings: ClassVar[Mapping[str, str]] = {
        CONVERSATION: "longer than the model reads up to its first answer, and is left out",
        TURN: "longer than the model reads; its last turns were dropped",
        PROMPT: "longer than the model reads; its oldest turns, or its beginning, were dropped",
    }

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        form: Form = "conversation",
        loss_on: LossOn = "assistant",
        chat_template: str | None = None,
        packing: bool = False,
        window_overlap: int | None = None,
        num_written: int = 8,
        max_new_tokens: int | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(spec, labels, max_length=max_length)
        self.form, self.packing, self.num_written = form, packing, num_written
        self.loss_on, self.chat_template, self.window_overlap = loss_on, chat_template, window_overlap
        self.positions = max_input_length(self.processor, spec)
        document_length = min(filter(None, (self.max_length, max_length or DOCUMENT_LENGTH)))
        self.document_length = document_length
        if form == "document":
            self.max_length = document_length
        self._ways: dict[Form, Sequences] = {}
        self.sequences = self._way(form)
        self.end_ids = self.sequences.end_ids
        self.longest_source: int | None = None
        self.pretrained_task: str | None = None  # its search is the checkpoint's own
        self.max_new_tokens = self._bounded(max_new_tokens or GenerationSpec(**(generation or {})).max_new_tokens)
        if packing and self.max_length is None:
            raise ConfigError(
                f"data.packing: {spec.name!r} has no longest input, so a row would never be full.\n"
                "Fix: say how long rows may be: data.max_length."
            )

    def _way(self, form: Form) -> Sequences:
        """Returns how examples of a form become tokens; a model may be scored on others than it was trained on."""
        if form not in self._ways:
            self._ways[form] = self._made(form)
        return self._ways[form]

    def _made(self, form: Form) -> Sequences:
        reads, spec, loss_on = self.processor, self.spec, self.loss_on
        if form == "conversation":
            return ConversationSequences(
                reads, spec, max_length=self.max_length, loss_on=loss_on, chat_template=self.chat_template
            )
        if form == "document":
            return DocumentSequences(
                reads, spec, max_length=self.document_length, loss_on=loss_on, overlap=self.window_overlap
            )
        return PromptSequences(reads, spec, max_length=self.max_length, loss_on=loss_on)

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value. Padding of packed rows is a text of one token, which sees no other."""
        return {"input_ids": self.processor.pad_token_id, "labels": NO_LOSS, "position_ids": 0}

    @property
    def target_tokenizer(self) -> Any:
        """The tokenizer of what is written."""
        return self.processor

    @property
    def end_id(self) -> int:
        """The token that usually ends what is written."""
        return self.end_ids[0]

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """What was read off the training data."""
        return {"max_new_tokens": self.max_new_tokens}

    def fit(self, examples: Sequence[ConversationExample]) -> None:
        """Derives how long answers may be from the longest of train, in tokens, unless it was set."""
        if self.max_new_tokens is not None:
            return
        if self.form == "document":
            self.max_new_tokens = self._bounded(DOCUMENT_TOKENS)
            return
        most = heapq.nlargest(MOST_MEASURED, examples, key=_longest_answer)
        longest = max((longest_run(row.labels) for one in self.sequences.learnt(most) for row in one.rows), default=1)
        self.max_new_tokens = self._bounded(math.ceil(longest * SLACK))

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns at most half of the model's positions: the prompt stands in the others."""
        half = None if self.positions is None else self.positions // 2
        return min(filter(None, (num_tokens, half))) if num_tokens else None

    # --- examples -> rows ---

    def encode(self, examples: Sequence[ConversationExample], *, targets: bool) -> Encoded:
        """Turns examples into rows to train on, or into what the model is given to go on with.

        Example, ChatML, `<|im_start|>` 1 and `<|im_end|>` 2: the turns "Hi", "Hello" are the row `{"input_ids": [1,
        4093, 198, 26843, 2, 198, 1, 520, 9531, 198, 19556, 2], "labels": [-100 ..., 19556, 2]}`, 12 tokens of which
        2 bear loss; without targets the first 10 of them.

        Raises:
            DataError: a conversation cannot be learnt from; NothingFits, if nothing of any example fits.
        """
        if not targets:
            return self._prompts(examples)
        found = self._learnt(examples)
        if self.packing and self.max_length is not None:
            return encoded_packed(found, self.max_length)
        return encoded(found)

    def encode_to_score(
        self, examples: Sequence[ConversationExample], *, all_predicted: bool = True
    ) -> EncodedToScore:
        """Returns the rows whose loss is measured, and what is to be answered: all, or some for people to read."""
        is_answered = examples[0].form != "document"
        chosen = range(len(examples)) if all_predicted and is_answered else self._chosen(len(examples) * is_answered)
        return EncodedToScore(
            self._prompts([examples[place] for place in chosen]),
            encoded(self._learnt(examples, scored=True)),
            chosen=chosen,
        )

    def _chosen(self, num_examples: int) -> Sequence[int]:
        """Returns which examples are answered: so many at equal distances."""
        if self.num_written >= num_examples:
            return range(num_examples)
        return [place * num_examples // self.num_written for place in range(self.num_written)]

    def _learnt(self, examples: Sequence[ConversationExample], *, scored: bool = False) -> list[LearntExample]:
        found = list(self._way(examples[0].form).learnt(examples, scored=scored))
        if not any(one.rows for one in found):
            raise NothingFits(
                f"Nothing can be learnt: each of {len(found):,} rows is longer than {self.max_length} tokens up to "
                "its first answer.\nFix: raise data.max_length, or take a checkpoint that reads more."
            )
        return found

    def _prompts(self, examples: Sequence[ConversationExample]) -> Encoded:
        found = list(self.sequences.asked(examples, self._prompt_limit))
        ids = [ids for ids, _ in found]
        return Encoded(
            dataset_of(pa.table({"input_ids": id_column(ids)})),
            np.asarray([len(row) for row in ids], np.int64),
            cut={PROMPT: sum(was_cut for _, was_cut in found)},
        )

    @property
    def _prompt_limit(self) -> int | None:
        """Tokens left for a prompt beside what is to be written."""
        if self.positions is None:
            return self.max_length
        room = self.max_new_tokens if self.max_new_tokens is not None else self.positions // 2
        beside = max(self.positions - room, self.positions // 2)
        return min(filter(None, (self.max_length, beside)))

    def counted(self, encoded: Encoded) -> str | None:
        """Returns how many tokens the examples have, and how many of them bear loss.

        Example, two documents of 7 tokens in windows of 4: "14 tokens in 4 rows, 12 of them learnt, each once; not
        learnt: the first of each document (2)".
        """
        whole, learnt = (encoded.counts.get(name) for name in (TOKENS, LEARNT_TOKENS))
        if whole is None or learnt is None:
            return None
        said = f"{whole:,} tokens in {encoded.num_rows:,} rows, {learnt:,} of them learnt"
        first = len(encoded) if self.form == "document" else 0
        if first and whole == learnt + first:
            said += f", each once; not learnt: the first of each document ({first:,})"
        return said

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right, and prompts, which are to be continued, on the left.

        Packed rows have positions that begin anew with every example, and no mask: it is by these that transformers'
        models keep the examples apart, and a mask would hide them.

        Example, pad id 2: the packed rows [5, 6, 7, 8] with the positions [0, 1, 0, 1] and [9] with [0] give
        `input_ids` [[5, 6, 7, 8], [9, 2, 2, 2]] and `position_ids` [[0, 1, 0, 1], [0, 0, 0, 0]].
        """
        batch = self._padded(rows, left="labels" not in rows[0])
        if "position_ids" in rows[0]:
            del batch.inputs["attention_mask"]
            batch.lengths = None
        return batch

    def recipe(self) -> dict[str, Any]:
        """Returns how what is given to the model is made."""
        return {"max_length": self.max_length, "is_chat": self.form == "conversation", "goes_on": True}


def _longest_answer(example: ConversationExample) -> int:
    said = [str(message.get("content") or "") for message in example.messages if message["role"] == "assistant"]
    return max(map(len, [*said, example.completion or ""]))
