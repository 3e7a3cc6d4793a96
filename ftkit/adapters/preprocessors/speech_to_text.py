"""Recordings that a decoder writes the transcripts of: Whisper and other speech encoder-decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessors.decoder_prompts import DecoderPrompt, SpeechTask, decoder_prompt
from ftkit.adapters.preprocessors.speech import Ids, SpeechPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.errors import ConfigError
from ftkit.models.generation import GenerationSpec
from ftkit.models.generator_loading import stated_generation
from ftkit.models.spec import CheckpointSpec
from ftkit.models.speech_processors import speech_processor
from ftkit.models.target_ids import target_ids
from ftkit.models.tokenizers import end_of_text, load_tokenizer
from ftkit.types import LabelSpace

LONGEST_TRANSCRIPT = 448
"""Tokens written at most where a checkpoint states no limit: Whisper's, for 30 seconds of the fastest speech."""


class SpeechToTextPreprocessor(SpeechPreprocessor):
    """Whisper, Speech2Text, Moonshine, and two checkpoints that were joined as a SpeechEncoderDecoderModel.

    Attributes:
        prompt: what the decoder is told before it writes.
        end_id: the token that ends a transcript.
        max_new_tokens: tokens written at most for a window.
        longest_source: no bound grows with the recording: a window has one length.
        pretrained_task: no task of a config states a search for it.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = (
        *SpeechPreprocessor.options,
        "language",
        "speech_task",
        "generation",
        "max_new_tokens",
        "ctc_vocabulary",
    )
    longest_source: ClassVar[int | None] = None
    pretrained_task: ClassVar[str | None] = None
    prompt: DecoderPrompt

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        max_seconds: float | None = None,
        overlap_seconds: float | None = None,
        augment: Options = None,
        target_form: str | None = None,
        language: str | None = None,
        speech_task: SpeechTask | None = None,
        generation: Mapping[str, Any] | None = None,
        ctc_vocabulary: str | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        """Loads the processor, and settles what the decoder is told.

        Raises:
            CheckpointError: the processor cannot be loaded, or nothing says how a transcript begins and ends.
            ConfigError: a language or task that does not suit the checkpoint.
        """
        if ctc_vocabulary is not None:
            raise ConfigError(
                f"data.ctc_vocabulary: {spec.name!r} writes with a decoder, which has tokens of its own. Leave it out."
            )
        super().__init__(spec, labels, max_seconds=max_seconds, overlap_seconds=overlap_seconds, augment=augment)
        self.target_form = target_form or "as-written"
        codes = getattr(self.target_tokenizer, "lang_code_to_id", None)
        self.prompt = decoder_prompt(
            spec, stated_generation(spec), language=language, task=speech_task, codes=codes or None
        )
        self.end_id = end_of_text(self.target_tokenizer, self.spec, or_sep=True)
        wanted = max_new_tokens or GenerationSpec(**(generation or {})).max_new_tokens
        self.max_new_tokens = min(filter(None, (wanted, self.longest_target or LONGEST_TRANSCRIPT)))

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """What is heard at once, how transcripts are learnt, and how long they may be."""
        return {**super().resolved_options, "max_new_tokens": self.max_new_tokens}

    def _load_processor(self) -> Any:
        return speech_processor(self.spec, load_tokenizer(self.spec))

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {**super().padding, "decoder_input_ids": self.target_tokenizer.pad_token_id}

    @property
    def longest_target(self) -> int | None:
        """Positions of the decoder that its prompt leaves, Whisper's 448 less two or four."""
        positions = self.spec.max_target_positions
        return None if positions is None else positions - len(self.prompt.ids)

    def label_ids(self, transcripts: Sequence[str]) -> list[Ids]:
        """Returns what the decoder is to write, the end last.

        Example, whisper-tiny.en: "Seven." is [13723, 13, 50256]: the start is what the decoder reads, and is no part
        of it, though the tokenizer puts it there.
        """
        texts = [self.prompt.before + self.in_target_form(transcript) for transcript in transcripts]
        return [[*ids, self.end_id] for ids in target_ids(self.target_tokenizer, texts, add_special_tokens=False)]

    def _target(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the decoder reads and writes, position by position.

        Example: the prompt (50257, 50362) and the labels [13723, 13, 50256] give `decoder_input_ids` [50257, 50362,
        13723, 13] and `labels` [-100, 13723, 13, 50256].
        """
        if "labels" not in row:
            return {}
        told, written = self.prompt.ids, list(row["labels"])
        return {
            "decoder_input_ids": np.array([*told, *written[:-1]], np.int64),
            "labels": np.array([NO_LOSS] * (len(told) - 1) + written, np.int64),
        }

    def recipe(self) -> dict[str, Any]:
        """Returns how much is heard at once."""
        return {"seconds": self.window}
