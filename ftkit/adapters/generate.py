"""Text to text: a model reads a text and writes another, such as its translation.

The families differ in where the target stands. An encoder-decoder reads the source on one side and writes the target
on the other. A decoder reads a prompt and goes on writing: in training prompt and target are one row, of which only
the target bears loss; to generate it gets the prompt alone, filled up on the left, and what it wrote begins where the
prompt ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.adapters.adapter import Batch, Built
from ftkit.adapters.languages import Languages
from ftkit.adapters.prompts import Prompts, source_affixes
from ftkit.adapters.text_generator import NO_LOSS, Ids, TextGenerator, TrainingRow
from ftkit.types import TextToTextExample

if TYPE_CHECKING:
    import torch


class EncoderDecoderGenerator(TextGenerator):
    """Marian, T5, BART, mBART, NLLB, M2M-100, and two checkpoints joined into one."""

    def _prepare(self, prompt_template: str | None) -> None:
        self.languages = Languages(
            self.tokenizer, self.target_tokenizer, self.spec, self.source_lang, self.target_lang
        )
        self.prefix, self.suffix = source_affixes(prompt_template, self.spec, self.source_lang, self.target_lang)

    def _training_rows(self, examples: Sequence[TextToTextExample]) -> Iterator[TrainingRow]:
        sources = self._prompts([example.source for example in examples], self.max_length)
        targets = self._targets([example.target or "" for example in examples])
        for (source, source_was_cut), (target, target_was_cut) in zip(sources, targets, strict=True):
            row = {"input_ids": source, "decoder_input_ids": [self._start, *target[:-1]], "labels": target}
            length = max(len(source), len(target))
            yield TrainingRow(row, length, source_was_cut, target_was_cut)

    def _prompts(self, sources: Sequence[str], limit: int | None) -> list[tuple[Ids, bool]]:
        texts = [self.languages.prefix + self.prefix + text + self.suffix for text in sources]
        whole = self.tokenizer(texts, verbose=False)["input_ids"]
        if limit is None:
            return [(ids, False) for ids in whole]
        return [
            (ids, False) if len(ids) <= limit else (self._cut(text, limit), True)
            for ids, text in zip(whole, texts, strict=True)
        ]

    def _cut(self, text: str, limit: int) -> Ids:
        return self.tokenizer(text, truncation=True, max_length=limit, verbose=False)["input_ids"]

    def _targets(self, targets: Sequence[str]) -> list[tuple[Ids, bool]]:
        """Returns the tokens to write for each target, the end last, and whether some were cut off."""
        limit = self._target_limit
        found = []
        for ids in self.target_tokenizer(text_target=list(targets), verbose=False)["input_ids"]:
            ids = self.languages.written(ids)
            was_cut = limit is not None and len(ids) > limit
            found.append((ids[:limit] if was_cut else ids, was_cut))
        return found

    @property
    def _target_limit(self) -> int | None:
        return min(filter(None, (self.max_target_length, self.spec.max_target_positions)), default=None)

    @property
    def _longest_output(self) -> int | None:
        positions = self.spec.max_target_positions
        return None if positions is None else positions - 1

    @property
    def _start(self) -> int:
        """The token that the decoder reads first."""
        return self.languages.start_id

    @property
    def _end(self) -> int:
        return self.languages.end_id

    def _special_generation_ids(self) -> dict[str, int]:
        return self.languages.generation_ids

    def build(self) -> Built:
        """Loads the checkpoint, or joins two, and writes into its config how a target begins and ends."""
        built = super().build()
        config: Any = built.model.config
        config.decoder_start_token_id, config.eos_token_id = self._start, self._end
        config.pad_token_id = self.target_tokenizer.pad_token_id
        return built

    def _num_given(self, inputs: Batch) -> int:
        return 1  # the start token


class DecoderGenerator(TextGenerator):
    """GPT-2, Llama, Qwen ...: the source stands in a prompt, and the model goes on writing."""

    _pads_left = True

    def _prepare(self, prompt_template: str | None) -> None:
        self.prompts = Prompts(self.tokenizer, self.spec, prompt_template, self.source_lang, self.target_lang)

    def _training_rows(self, examples: Sequence[TextToTextExample]) -> Iterator[TrainingRow]:
        prompts = self._prompts([example.source for example in examples], self._prompt_limit())
        targets = self.tokenizer(
            [self.prompts.before_target + (example.target or "") for example in examples],
            add_special_tokens=False,
            verbose=False,
        )["input_ids"]
        for (prompt, prompt_was_cut), ids in zip(prompts, targets, strict=True):
            target = [*ids, self._end]
            limit = self._target_limit(len(prompt))
            was_cut = limit is not None and len(target) > limit
            target = target[:limit] if was_cut else target
            row = {"input_ids": prompt + target, "labels": [NO_LOSS] * len(prompt) + target}
            yield TrainingRow(row, len(row["labels"]), prompt_was_cut, was_cut)

    def _prompts(self, sources: Sequence[str], limit: int | None) -> list[tuple[Ids, bool]]:
        return self.prompts.encode(sources, limit)

    def _prompt_limit(self) -> int | None:
        """Returns the tokens left for a prompt beside what is to be written."""
        if self.max_length is None:
            return None
        room = self.max_new_tokens if self.max_new_tokens is not None else self.max_length // 2
        return max(self.max_length - room, self.max_length // 2)

    def _target_limit(self, prompt_length: int) -> int | None:
        room = None if self.max_length is None else self.max_length - prompt_length
        return min(filter(None, (self.max_target_length, room)), default=None)

    @property
    def _longest_output(self) -> int | None:
        return None if self.max_length is None else self.max_length // 2

    @property
    def _end(self) -> int:
        return self.prompts.end_id

    def _aligned(self, logits_BTV: torch.Tensor, labels_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return logits_BTV[:, :-1], labels_BT[:, 1:]

    def _num_given(self, inputs: Batch) -> int:
        return inputs["input_ids"].shape[1]
