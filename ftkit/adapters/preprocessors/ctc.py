"""Recordings whose transcripts are read off the frames: wav2vec2, HuBERT, WavLM by CTC (Graves et al. 2006)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np

from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessors.speech import Ids, SpeechPreprocessor
from ftkit.adapters.rows import Batch
from ftkit.data.problems import Problems
from ftkit.data.speech import SpeechExample
from ftkit.errors import ConfigError
from ftkit.models.ctc_vocabulary import characters_of, ctc_tokenizer, own_tokenizer, spelled
from ftkit.models.spec import CheckpointSpec
from ftkit.models.speech_processors import speech_processor
from ftkit.types import LabelSpace, Split

FRAMES = "frame"
"""What there may be too few of."""

Vocabulary = Literal["checkpoint", "transcripts"]


class CtcPreprocessor(SpeechPreprocessor):
    """Waveforms of any length, and the characters that are said in them.

    Attributes:
        vocabulary: the characters, where they were taken from the transcripts of train; None where the checkpoint has
            its own, or before `fit`.
        keeps_vocabulary: whether the checkpoint's own characters are written.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = (
        *SpeechPreprocessor.options,
        *("language", "speech_task", "ctc_vocabulary", "vocabulary"),
    )
    cut_meanings: ClassVar[Mapping[str, str]] = {
        **SpeechPreprocessor.cut_meanings,
        FRAMES: "shorter in frames than its transcript in characters, and not trained on",
    }

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
        speech_task: str | None = None,
        ctc_vocabulary: Vocabulary | None = None,
        vocabulary: Sequence[str] | None = None,
    ) -> None:
        """Loads the feature extractor, and the tokenizer where it is known yet.

        Args:
            ctc_vocabulary: whose characters are written; None: the checkpoint's, if it has some.
            vocabulary: the characters of a run that has made them.

        Raises:
            CheckpointError: the processor cannot be loaded.
            ConfigError: the checkpoint is told a language, or has no vocabulary to be kept.
        """
        for key, value in (("language", language), ("speech_task", speech_task)):
            if value is not None:
                raise ConfigError(
                    f"data.{key}: {spec.name!r} is told no language, as it writes what it hears character by "
                    f"character, got {value!r}. Leave the key out."
                )
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        self._whose = ctc_vocabulary
        self.target_form = target_form or "basic"
        super().__init__(spec, labels, max_seconds=max_seconds, overlap_seconds=overlap_seconds, augment=augment)

    def _load_processor(self) -> Any:
        if self.vocabulary is not None:
            self.keeps_vocabulary = False
            return speech_processor(self.spec, ctc_tokenizer(self.vocabulary))
        own = None if self._whose == "transcripts" else own_tokenizer(self.spec)
        self.keeps_vocabulary = own is not None
        if own is not None:
            return speech_processor(self.spec, own)
        if self._whose == "checkpoint":
            raise ConfigError(
                f"data.ctc_vocabulary: {self.spec.name!r} was not trained by CTC and has no vocabulary of its own. "
                "Leave the key out: one is made of the transcripts of train."
            )
        return super()._load_processor()  # the characters are known once train has been read

    @property
    def is_fitted(self) -> bool:
        """Whether it is known which characters are written."""
        return self.keeps_vocabulary or self.vocabulary is not None

    def fit(self, examples: Sequence[SpeechExample]) -> None:
        """Makes the vocabulary of the transcripts, unless there is one.

        Raises:
            DataError: no vocabulary can be made of them.
        """
        if not self.is_fitted:
            transcripts = (self.in_target_form(example.text or "") for example in examples)
            self.vocabulary = tuple(characters_of(transcripts))
            self.processor = self._load_processor()

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """How much is heard at once, and what is written."""
        kept = None if self.vocabulary is None else list(self.vocabulary)
        return {**super().resolved_options, "vocabulary": kept}

    @property
    def blank_id(self) -> int:
        """The token that stands for no character, which is also that of padding."""
        return int(self.target_tokenizer.pad_token_id)

    # --- transcripts -> ids ---

    def label_ids(self, transcripts: Sequence[str]) -> list[Ids]:
        """Returns the characters of transcripts as ids; no token begins or ends them.

        Example, the vocabulary <pad> <unk> | n o s: "No, so!" is learnt as "no so": [3, 4, 2, 5, 4].
        """
        ids, unknown = self._character_ids, self.target_tokenizer.unk_token_id
        return [[ids.get(character, unknown) for character in self.as_learnt(text)] for text in transcripts]

    def as_learnt(self, transcript: str) -> str:
        """Returns a transcript in the form and the case in which it is learnt."""
        return spelled(self.target_tokenizer, self.in_target_form(transcript))

    @property
    def _character_ids(self) -> dict[str, int]:
        vocabulary = self.target_tokenizer.get_vocab()
        return {**vocabulary, " ": vocabulary[self.target_tokenizer.word_delimiter_token]}

    def num_frames(self, seconds: float) -> int:
        """Returns the frames that a recording makes; each may be read as one character or none."""
        samples = max(int(np.ceil(seconds * self.rate)), self.input.shortest)
        return self.input.num_positions(samples)

    def _shortest(self, row: Mapping[str, Any]) -> int:
        """Returns the samples that make a frame for each character, and those that part equal ones."""
        return max(super()._shortest(row), self.input.num_samples(max(frames_needed(row["labels"]), 1)))

    def obstacle(self, seconds: float, ids: Ids) -> str | None:
        """Returns what of a recording cannot be learnt; None where all can."""
        found = super().obstacle(seconds, ids)
        return FRAMES if found is None and frames_needed(ids) > self.num_frames(seconds) else found

    # --- batches ---

    def _batch(self, tensors: dict[str, Any], lengths: Sequence[int], shortest: int) -> Batch:
        """Returns the batch, and how many frames of each row are of its recording: `num_frames` (B,)."""
        import torch

        batch = super()._batch(tensors, lengths, shortest)
        batch.extras["num_frames"] = torch.tensor([self.input.num_positions(length) for length in lengths])
        return batch

    @functools.cached_property
    def frames_shared(self) -> int:
        """Frames that two neighbouring windows share."""
        hop = self.input.num_samples(2) - self.input.num_samples(1)
        return round(self.overlap * self.rate / hop)

    # --- checks ---

    def check(self, splits: Mapping[str, Split[SpeechExample]], problems: Problems) -> None:
        """Reports also characters that the vocabulary lacks, and transcripts longer than the frames."""
        self.fit(splits["train"].examples)
        for split in splits.values():
            self._check_characters(split, problems)
        super().check(splits, problems)

    def _check_characters(self, split: Split[SpeechExample], problems: Problems) -> None:
        known = self._character_ids
        for example in split.examples:
            lacking = sorted({character for character in self.as_learnt(example.text or "") if character not in known})
            if not lacking:
                continue
            told = problems.error if split.name == "train" else problems.warn
            told(
                f"{split.name}: the transcript holds characters that the vocabulary lacks",
                where=f"{split.where(example)}: {' '.join(map(repr, lacking[:5]))}",
                remedy="data.ctc_vocabulary: transcripts makes a new vocabulary of the transcripts of train; or write "
                "them otherwise, such as numbers in words"
                if self.keeps_vocabulary
                else "the model cannot write them: use only characters of train, or score rows that have them apart",
            )

    def _tell(
        self, problems: Problems, split: Split, example: SpeechExample, seconds: float, ids: Ids, what: str
    ) -> None:
        if what != FRAMES:
            super()._tell(problems, split, example, seconds, ids, what)
            return
        problems.error(
            f"{split.name}: the transcript is longer than its recording: CTC needs a frame for each character, and "
            "one more between two equal ones",
            where=f"{self._place(split, example)}: {len(ids)} characters in {seconds:.2f} s, which need "
            f"{frames_needed(ids)} frames and have {self.num_frames(seconds)}",
            remedy="look whether the recording was cut, start and end are right, or the row names another file",
        )

    def recipe(self) -> dict[str, Any]:
        """Returns how much is heard at once, and that no decoder writes."""
        return {"seconds": self.window, "writes": False}


def frames_needed(ids: Ids) -> int:
    """Returns the fewest frames that can be read as these characters: a blank stands between two equal ones.

    Example: "seen" needs five: s e - e n.
    """
    return len(ids) + sum(one == other for one, other in pairwise(ids))
