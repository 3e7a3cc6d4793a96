"""A text that is read, and a text that is written for it, such as its translation.

The families differ in where the target stands. An encoder-decoder reads the source on one side and writes the target
on the other. A decoder reads a prompt and goes on writing: in training prompt and target are one row, of which only
the target bears loss; to generate it gets the prompt alone, filled up on the left, and what it wrote begins where the
prompt ends.
"""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.languages import Languages
from ftkit.adapters.preprocessors.long_texts import beginning
from ftkit.adapters.preprocessors.prompts import Prompts, source_affixes
from ftkit.adapters.preprocessors.tokens import NO_LOSS, TokenPreprocessor, dataset_of, id_column, in_chunks
from ftkit.adapters.rows import Batch, Encoded, EncodedToScore
from ftkit.models.generation import GenerationSpec
from ftkit.models.spec import CheckpointSpec
from ftkit.models.target_ids import target_ids
from ftkit.models.tokenizers import TARGET_TOKENIZER, load_target_tokenizer
from ftkit.types import LabelSpace, TextToTextExample

SLACK = 1.25  # texts to come may be longer than those of train
MOST_MEASURED = 200  # sources of train with the most characters: the one with the most tokens is among them
Ids = list[int]


class Pair(NamedTuple):
    """A source and its target as token ids.

    Attributes:
        source: what the model reads to write the target.
        target: what it writes, the end last.
    """

    source: Ids
    target: Ids
    source_was_cut: bool
    target_was_cut: bool


class TextToTextPreprocessor(TokenPreprocessor):
    """What the families share.

    Attributes:
        target_tokenizer: of what is written; for most checkpoints the processor itself.
        max_new_tokens: tokens written at most, for sources no longer than those of train; read off the targets of
            train unless it was set.
        longest_source: tokens of train's longest source, without what stands around sources; None where the user set
            how much is written, whatever is read.
        pretrained_task: what a checkpoint's config calls the task, where it was pretrained for it and says how.
        chat_request: what a chat model is asked, with {source} where the text goes.
    """

    version: ClassVar[int] = 3
    options: ClassVar[tuple[str, ...]] = (
        *("max_target_length", "source_lang", "target_lang", "prompt_template"),
        *("max_new_tokens", "longest_source", "generation", "pretrained_task", "chat_request"),
    )
    cut_meanings: ClassVar[Mapping[str, str]] = {
        "source": "longer than the model reads and was cut",
        "target": "longer in its target than the model writes; the target was cut",
    }

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        max_target_length: int | None = None,
        source_lang: str | None = None,
        target_lang: str | None = None,
        prompt_template: str | None = None,
        max_new_tokens: int | None = None,
        longest_source: int | None = None,
        generation: Mapping[str, Any] | None = None,
        pretrained_task: str | None = None,
        chat_request: str | None = None,
    ) -> None:
        super().__init__(spec, labels, max_length=max_length)
        self.pretrained_task, self.chat_request = pretrained_task, chat_request
        self.target_tokenizer = load_target_tokenizer(spec, self.processor)
        self.max_target_length = max_target_length
        self.source_lang, self.target_lang = source_lang, target_lang
        self._prepare(prompt_template)
        stated = GenerationSpec(**(generation or {})).max_new_tokens
        self.max_new_tokens = self._bounded(max_new_tokens or stated)
        self.longest_source = None if stated else longest_source

    def _prepare(self, prompt_template: str | None) -> None:
        raise NotImplementedError

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        target_pad = self.target_tokenizer.pad_token_id
        return {"input_ids": self.processor.pad_token_id, "decoder_input_ids": target_pad, "labels": NO_LOSS}

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """What was read off the training data."""
        return {"max_new_tokens": self.max_new_tokens, "longest_source": self.longest_source}

    def save(self, folder: Path) -> None:
        """Writes the tokenizer of what is read, and that of what is written where it is another."""
        super().save(folder)
        if self.target_tokenizer is not self.processor:
            self.target_tokenizer.save_pretrained(folder / TARGET_TOKENIZER)

    # --- examples -> rows ---

    def fit(self, examples: Sequence[TextToTextExample]) -> None:
        """Derives how long written texts may be from the longest target and source, in tokens, unless it was set."""
        if self.max_new_tokens is None:
            most = heapq.nlargest(MOST_MEASURED, examples, key=lambda example: example.size)
            self.longest_source = max(self._source_length(len(ids)) for ids, _ in self._sources(most))
            longest = max(
                len(ids) for chunk in in_chunks(examples) for ids, _ in self._targets([e.target or "" for e in chunk])
            )
            self.max_new_tokens = self._bounded(math.ceil(longest * SLACK))

    def most_written(self, lengths: Sequence[int]) -> list[int]:
        """Returns how many tokens are written at most for inputs of so many tokens.

        A source longer than all of train may need a longer text than any target of train. So `max_new_tokens` is
        doubled until it has grown as much as the source; doubled, so that few inputs of a batch differ.

        Example: sources of train had up to 20 tokens, `max_new_tokens` is 30; Marian ends sources with one. Inputs
        of 9, 21, 22 and 90 tokens get 30, 30, 60 and 240.
        """
        assert self.max_new_tokens is not None
        return [self._room(length, self.max_new_tokens << self._doublings(length)) for length in lengths]

    def _doublings(self, length: int) -> int:
        if self.longest_source is None:
            return 0
        return math.ceil(math.log2(max(1.0, self._source_length(length) / self.longest_source)))

    def _source_length(self, length: int) -> int:
        """Returns the tokens of an input that are of its source, at least 1."""
        return max(1, length - self._around)

    @functools.cached_property
    def _around(self) -> int:
        """Tokens around every source: a prompt, a prefix, the end."""
        return len(self._encode_sources([""])[0][0])

    def _room(self, length: int, wanted: int) -> int:
        """Returns as many tokens as can be written for an input, of so many that are wanted."""
        return min(filter(None, (wanted, self.longest_output)))

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns as many tokens as the model can write at most: beyond its positions it would fail."""
        return min(filter(None, (num_tokens, self.longest_output))) if num_tokens else None

    @property
    def longest_output(self) -> int | None:
        """Tokens that the model can write at most; None for no limit."""
        raise NotImplementedError

    @property
    def end_id(self) -> int:
        """The token that ends a target."""
        raise NotImplementedError

    def encode(self, examples: Sequence[TextToTextExample], *, targets: bool) -> Encoded:
        """Turns pairs into rows to train on, or sources into what a model is given to write a target.

        Example, Marian (end 0, start and pad 58100): "ein Haus" -> "a house" is the row `{"input_ids": [34, 1201, 0],
        "decoder_input_ids": [58100, 17, 883], "labels": [17, 883, 0]}` of cost 3; without targets
        `{"input_ids": [34, 1201, 0]}`. GPT-2 (end 50256) with the template "{source} =": `{"input_ids": [prompt ...,
        257, 2156, 50256], "labels": [-100 ..., 257, 2156, 50256]}`.
        """
        if targets:
            return self._target_rows(list(self._pairs(examples)))
        return self._source_rows(list(self._sources(examples)))

    def encode_to_score(self, examples: Sequence[TextToTextExample], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns the sources to write from, and the pairs for the loss; each text is tokenized once."""
        pairs = list(self._pairs(examples))
        return EncodedToScore(
            self._source_rows([(pair.source, pair.source_was_cut) for pair in pairs]), self._target_rows(pairs)
        )

    def _source_rows(self, sources: Sequence[tuple[Ids, bool]]) -> Encoded:
        ids = [ids for ids, _ in sources]
        return Encoded(
            dataset_of(pa.table({"input_ids": id_column(ids)})),
            np.asarray([len(row) for row in ids], np.int64),
            cut={"source": sum(was_cut for _, was_cut in sources)},
        )

    def _target_rows(self, pairs: Sequence[Pair]) -> Encoded:
        rows = [self._row(pair) for pair in pairs]
        return Encoded(
            dataset_of(pa.table({name: id_column([row[name] for row in rows]) for name in rows[0]})),
            # As fairseq counts tokens: a row is as long as its longer side.
            np.asarray([max(len(row["input_ids"]), len(row["labels"])) for row in rows], np.int64),
            cut={
                "source": sum(pair.source_was_cut for pair in pairs),
                "target": sum(pair.target_was_cut for pair in pairs),
            },
        )

    def _pairs(self, examples: Sequence[TextToTextExample]) -> Iterator[Pair]:
        for chunk in in_chunks(examples):
            targets = self._targets([example.target or "" for example in chunk])
            for (source, source_was_cut), (target, target_was_cut) in zip(self._sources(chunk), targets, strict=True):
                limit = self._room_for_target(source)
                was_cut = limit is not None and len(target) > limit
                yield Pair(source, target[:limit] if was_cut else target, source_was_cut, target_was_cut or was_cut)

    def _sources(self, examples: Sequence[TextToTextExample]) -> Iterator[tuple[Ids, bool]]:
        """Yields what the model reads for each source, and whether something was cut off."""
        for chunk in in_chunks(examples):
            yield from self._encode_sources([example.source for example in chunk])

    def _encode_sources(self, sources: Sequence[str]) -> list[tuple[Ids, bool]]:
        raise NotImplementedError

    def _targets(self, targets: Sequence[str]) -> list[tuple[Ids, bool]]:
        """Returns the tokens to write for each target, the end last, and whether some were cut off."""
        raise NotImplementedError

    def _room_for_target(self, source: Ids) -> int | None:
        """Returns how many tokens of a target have room beside a source; None for all."""
        return None

    def _row(self, pair: Pair) -> dict[str, Ids]:
        raise NotImplementedError


class EncoderDecoderPreprocessor(TextToTextPreprocessor):
    """Marian, T5, BART, mBART, NLLB, M2M-100, and two checkpoints joined into one."""

    def _prepare(self, prompt_template: str | None) -> None:
        self.languages = Languages(
            self.processor, self.target_tokenizer, self.spec, self.source_lang, self.target_lang
        )
        self.prefix, self.suffix = source_affixes(
            prompt_template, self.spec, self.source_lang, self.target_lang, self.pretrained_task
        )

    @property
    def end_id(self) -> int:
        """The token that ends a target."""
        return self.languages.end_id

    @property
    def longest_output(self) -> int | None:
        """All positions of the decoder but the one of the token that it starts with."""
        positions = self.spec.max_target_positions
        return None if positions is None else positions - 1

    def _row(self, pair: Pair) -> dict[str, Ids]:
        start = self.languages.start_id
        return {
            "input_ids": pair.source,
            "decoder_input_ids": [start, *pair.target[:-1]],
            "labels": pair.target,
        }

    def _encode_sources(self, sources: Sequence[str]) -> list[tuple[Ids, bool]]:
        texts = [self.languages.prefix + self.prefix + text + self.suffix for text in sources]
        limit = self.max_length
        if limit is not None:
            texts = [beginning(self.processor, text, limit) for text in texts]
        whole = self.processor(texts, verbose=False)["input_ids"]
        if limit is None:
            return [(ids, False) for ids in whole]
        return [
            (ids, False) if len(ids) <= limit else (self._cut(text, limit), True)
            for ids, text in zip(whole, texts, strict=True)
        ]

    def _cut(self, text: str, limit: int) -> Ids:
        return self.processor(text, truncation=True, max_length=limit, verbose=False)["input_ids"]

    def _targets(self, targets: Sequence[str]) -> list[tuple[Ids, bool]]:
        limit = min(filter(None, (self.max_target_length, self.spec.max_target_positions)), default=None)
        if limit is not None:
            targets = [beginning(self.target_tokenizer, target, limit) for target in targets]
        written = target_ids(self.target_tokenizer, targets)
        return [_limited(self.languages.written(ids), limit) for ids in written]

    def recipe(self) -> dict[str, Any]:
        """Returns what stands around a source."""
        return {
            "max_length": self.max_length,
            "before": self.languages.prefix + self.prefix,
            "after": self.suffix,
            "has_target_tokenizer": self.target_tokenizer is not self.processor,
        }


class DecoderPreprocessor(TextToTextPreprocessor):
    """GPT-2, Llama, Qwen ...: the source stands in a prompt, and the model goes on writing."""

    def _prepare(self, prompt_template: str | None) -> None:
        self.prompts = Prompts(
            self.processor, self.spec, prompt_template, self.source_lang, self.target_lang, self.chat_request
        )

    @property
    def end_id(self) -> int:
        """The token that ends a target."""
        return self.prompts.end_id

    @property
    def longest_output(self) -> int | None:
        """Half of the positions: the prompt stands in the others."""
        return None if self.max_length is None else self.max_length // 2

    def _row(self, pair: Pair) -> dict[str, Ids]:
        return {"input_ids": pair.source + pair.target, "labels": [NO_LOSS] * len(pair.source) + pair.target}

    def _encode_sources(self, sources: Sequence[str]) -> list[tuple[Ids, bool]]:
        return self.prompts.encode(sources, self._prompt_limit)

    def _room(self, length: int, wanted: int) -> int:
        if self.max_length is None:
            return wanted
        assert self.max_new_tokens is not None
        return min(wanted, max(self.max_new_tokens, self.max_length - length))

    @property
    def _prompt_limit(self) -> int | None:
        """Tokens left for a prompt beside what is to be written: the same in training and in prediction."""
        if self.max_length is None:
            return None
        room = self.max_new_tokens if self.max_new_tokens is not None else self.max_length // 2
        return max(self.max_length - room, self.max_length // 2)

    def _targets(self, targets: Sequence[str]) -> list[tuple[Ids, bool]]:
        texts = [self.prompts.before_target + target for target in targets]
        found = target_ids(self.processor, texts, add_special_tokens=False)
        return [_limited([*ids, self.end_id], self.max_target_length) for ids in found]

    def _room_for_target(self, source: Ids) -> int | None:
        return None if self.max_length is None else self.max_length - len(source)

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right; prompts, which are to be continued, on the left.

        Example, pad id 0: the prompts 5 6 7 and 8 give `input_ids` [[5, 6, 7], [0, 0, 8]] and `attention_mask`
        [[1, 1, 1], [0, 0, 1]].
        """
        return self._padded(rows, left="labels" not in rows[0])

    def recipe(self) -> dict[str, Any]:
        """Returns what stands around a source."""
        prompts = self.prompts
        ends = self.processor("a", verbose=False)["input_ids"][-1:] == [prompts.end_id]
        return {
            "max_length": self.max_length,
            "before": prompts.before,
            "after": prompts.after,
            "goes_on": True,
            "is_chat": prompts.is_chat,
            "drops_end": ends and not prompts.is_chat,
        }


def _limited(ids: Ids, limit: int | None) -> tuple[Ids, bool]:
    """Returns at most so many tokens, and whether some were cut off."""
    was_cut = limit is not None and len(ids) > limit
    return (ids[:limit] if was_cut else ids), was_cut
