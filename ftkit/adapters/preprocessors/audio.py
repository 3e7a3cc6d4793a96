"""Recordings as rows that are read when they are needed, one for each window of a long recording."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.audio import AudioAugment, Lengths, SpecAugment
from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.columns import pad_columns
from ftkit.adapters.label_column import label_array
from ftkit.adapters.preprocessor import PreprocessorBase, Shown, Sound
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.audio import AudioError, AudioExample, audio_seconds, read_audio
from ftkit.errors import ConfigError, DataError
from ftkit.models.audio_input import audio_input, load_feature_extractor
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

DEFAULT_SECONDS = 15.0
"""Length of a window where the checkpoint reads any length: wav2vec2 was pretrained on crops of at most 15.6 s
(arXiv 2006.11477, section 4.2), and attention over twice the length costs four times as much."""

OVERLAP = 0.25
"""Part of a window that it shares with the next, so that a word at a border is whole in one of them."""


def window_offsets(seconds: float, window: float, overlap: float) -> list[float]:
    """Returns where the windows of a recording begin, in seconds; the last one ends with the recording.

    Example: 40 s in windows of 15 s that share 5 s begin at 0, 10, 20 and 25 s: the last is moved back to be full.

    Args:
        seconds: length of the recording.
        window: length of a window.
        overlap: what neighbours share at least, less than a window.
    """
    if seconds <= window:
        return [0.0]
    last = seconds - window
    offsets = list(np.arange(0.0, last, window - overlap))
    return [*map(float, offsets), last]


@dataclass(frozen=True)
class AudioRows(LazyRows):
    """Windows of recordings, as rows without samples: they are read from their files when a batch is put together.

    Attributes:
        examples: the recordings, (N,).
        owners: the recording of each row, (R,).
        offsets: where each row begins, in seconds after its recording's begin, (R,).
        labels: what is to be learnt, (N,) or (N, L), or (N,) of lists; None where it is only to be predicted.
    """

    examples: Sequence[AudioExample]
    owners: np.ndarray
    offsets: np.ndarray
    labels: Any = None

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        owner = int(self.owners[index])
        label = {} if self.labels is None else {"labels": self.labels[owner]}
        return {"recording": self.examples[owner], "offset": float(self.offsets[index]), **label}


class AudioPreprocessor(PreprocessorBase):
    """wav2vec2, HuBERT, WavLM (waveforms of any length); AST, Whisper (spectrograms of a fixed length)."""

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("max_seconds", "overlap_seconds", "augment")
    default_seconds: ClassVar[float] = DEFAULT_SECONDS

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        max_seconds: float | None = None,
        overlap_seconds: float | None = None,
        augment: Options = None,
    ) -> None:
        """Loads the feature extractor.

        Args:
            max_length: not used: a recording's length is in seconds.
            max_seconds: length of a window; None: what the checkpoint reads at once.
            overlap_seconds: what neighbouring windows share; None: a quarter of a window.
            augment: changes of training recordings.

        Raises:
            CheckpointError: there is no feature extractor, or one of an unknown sort.
            ConfigError: the checkpoint does not read so much at once, windows would not move on, or a change of
                recordings would have no effect.
        """
        self.spec, self.labels, self.max_length = spec, labels, None
        self.processor = self._load_processor()
        self.input = audio_input(spec, self.extractor)
        self.augment = section_of(AudioAugment, augment)
        self._settle_augment()
        self.window = self._window_length(max_seconds)
        self.overlap = OVERLAP * self.window if overlap_seconds is None else overlap_seconds
        if self.overlap >= self.window:
            raise ConfigError(
                f"data.overlap_seconds: {self.overlap:g} s is no less than a window of {self.window:g} s, which would "
                "not move on. Say less."
            )

    def _settle_augment(self) -> None:
        """Looks what of the changes is for the model to make.

        Raises:
            ConfigError: a change would have no effect.
        """
        masks = self.augment.spec_augment
        if masks is not None and not self.input.can_mask:
            raise ConfigError(
                f"data.augment.spec_augment: {self.spec.name!r} reads samples, and its model has no code that masks "
                "what it makes of them, so that nothing would be masked. Leave it out."
            )
        if masks is not None and self.input.reads_samples:
            length = masks.mask_time_length if masks.mask_time_prob else 0
            self.input = dataclasses.replace(self.input, mask_positions=length)
        if self.augment.gain is not None and self.input.levels_loudness:
            raise ConfigError(
                f"data.augment.gain: {self.spec.name!r} reads all recordings at one loudness, so that louder and "
                "softer ones are the same to it. Leave it out."
            )

    @property
    def _feature_masks(self) -> SpecAugment | None:
        """Masks over spectrograms; a model that reads samples draws its own."""
        return None if self.input.reads_samples else self.augment.spec_augment

    @property
    def augments(self) -> bool:
        """Whether the config asks for changes that are made before the model reads."""
        return bool(self.augment.waves) or self._feature_masks is not None

    @property
    def model_masks(self) -> dict[str, Any]:
        """What the model's config is to say of masks that it draws itself; nothing where that is left to it."""
        masks = self.augment.spec_augment
        if masks is None:
            return {}
        if self.input.reads_samples:
            return masks.config
        return {"apply_spec_augment": False} if self.input.masks_itself else {}

    def _window_length(self, wanted: float | None) -> float:
        """Returns the length of a window in seconds.

        Raises:
            ConfigError: the checkpoint does not read so much.
        """
        limit = None if self.input.limit is None else self.input.limit / self.rate
        if limit is not None and wanted is not None and wanted > limit:
            raise ConfigError(
                f"data.max_seconds: {self.spec.name!r} reads {limit:g} s at once, got {wanted:g}. Say less, or leave "
                "the key out: longer recordings are read in windows, whose predictions are put together."
            )
        return wanted or limit or self.default_seconds

    def _load_processor(self) -> Any:
        return load_feature_extractor(self.spec)

    @property
    def extractor(self) -> Any:
        """The feature extractor: the processor, or what of it reads recordings."""
        return getattr(self.processor, "feature_extractor", self.processor)

    @property
    def rate(self) -> int:
        """Samples a second that the checkpoint reads."""
        return self.input.rate

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value: silence behind a waveform; spectrograms have one size."""
        return {self._name: self.extractor.padding_value} if self.input.limit is None else {}

    @property
    def _name(self) -> str:
        """Returns what the model calls its input."""
        return self.extractor.model_input_names[0]

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """The length of a window and what windows share, whatever the checkpoint's defaults will be."""
        return {"max_seconds": self.window, "overlap_seconds": self.overlap}

    def recipe(self) -> dict[str, Any]:
        """Returns how much of a recording is read at once."""
        return {"seconds": self.window}

    # --- recordings -> rows ---

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Cuts recordings into windows by their headers; no sample is read, and nothing is cut off.

        Example: windows of 15 s that share 5 s, wav2vec2 (50 positions a second): recordings of 3 s and 22 s are three
        rows, at 0 s of the first and at 0 and 7 s of the second: `first_rows` [0, 1, 3], `costs` [149, 749, 749].

        Raises:
            DataError: a file cannot be read any more.
        """
        seconds = lengths_of(examples)
        offsets = [window_offsets(length, self.window, self.overlap) for length in seconds]
        labels = label_array(examples, self.labels) if targets and self.labels is not None else None
        return self._encoded(examples, seconds, offsets, labels)

    def _encoded(
        self, examples: Sequence[Any], seconds: Sequence[float], offsets: Sequence[Sequence[float]], labels: Any = None
    ) -> Encoded:
        """Returns the rows of recordings.

        Args:
            seconds: their lengths, (N,).
            offsets: where the windows of each begin, (N,) of lists; a recording may have none.
            labels: what is to be learnt of each, (N, ...).
        """
        counts = np.array([len(starts) for starts in offsets], np.int64)
        rows = AudioRows(
            examples,
            owners=np.repeat(np.arange(len(examples)), counts),
            offsets=np.array([start for starts in offsets for start in starts], float),
            labels=labels,
        )
        lengths = np.minimum(np.asarray(seconds)[rows.owners] - rows.offsets, self.window)
        samples = np.maximum(np.ceil(lengths * self.rate).astype(np.int64), self.input.shortest)
        costs = np.array([self.input.num_positions(int(number)) for number in samples], np.int64)
        first_rows = None if (counts == 1).all() else np.concatenate([[0], np.cumsum(counts)])
        return Encoded(rows=rows, costs=costs, first_rows=first_rows)

    def to_train(self, encoded: Encoded, examples: Sequence[Any]) -> Encoded:
        """Returns rows with the positions that they may take when they are slowed down or begin later."""
        if self.input.limit is not None or not self.augment.waves:
            return encoded
        return dataclasses.replace(encoded, costs=np.array(list(map(self._longest_cost, encoded.costs)), np.int64))

    def _longest_cost(self, cost: int) -> int:
        """Returns the most positions that a changed row of so many positions takes."""
        longest = self.augment.longest(self.input.num_samples(int(cost) + 1) - 1, self.rate)
        return max(int(cost), self.input.num_positions(min(longest, self._most_samples)))

    @property
    def _most_samples(self) -> int:
        """Samples of a whole window."""
        return self.input.limit or math.ceil(self.window * self.rate)

    def shown(self, example: Any, rng: np.random.Generator | None) -> Shown:
        """Returns the beginning of a recording, changed as training changes it; masks are not heard."""
        (row,) = self.encode([example], targets=True).rows.__getitems__([0])
        wave = self._samples(row)
        return Sound(wave if rng is None else self._changed(row, wave, rng), self.rate)

    def _changed(self, row: Mapping[str, Any], wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns samples changed at random, as long as can be read and learnt."""
        lengths = Lengths(self._shortest(row), max(len(wave), self._most_samples))
        return self.augment.applied(wave, self.rate, lengths, rng)

    def _shortest(self, row: Mapping[str, Any]) -> int:
        """Returns the fewest samples that what is to be learnt of a row needs."""
        return self.input.frame

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Reads the samples of rows, in training perhaps changed, and puts their features into one tensor.

        Each recording is normalized by itself, before silence fills it up to the longest of the batch, so that a
        recording reads the same in every batch.

        Example, wav2vec2: windows of 0.5 s and 0.3 s at 16,000 samples a second give `input_values` (2, 8000), of
        which the last 3,200 of the second row are 0.0. Where the checkpoint knows masks, `attention_mask` (2, 8000)
        says so. Whisper's are `input_features` (2, 80, 3000), whatever the lengths.
        """
        waves = [self._samples(row) for row in rows]
        drawn: Sequence[np.random.Generator | None] = [None] * len(rows)
        if training and self.augments:
            assert rngs is not None, "what is drawn in training is drawn from generators"
            drawn = rngs
            waves = [self._changed(*each) for each in zip(rows, waves, rngs, strict=True)]
        lengths = [max(len(wave), self.input.shortest) for wave in waves]
        features = [self._features(*each) for each in zip(waves, lengths, drawn, strict=True)]
        columns = [{self._name: feature, **self._target(row)} for feature, row in zip(features, rows, strict=True)]
        shortest = self.input.shortest_in_training if training else 0
        return self._batch(pad_columns(columns, self.padding), lengths, shortest)

    def _target(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the columns of what is learnt from a row."""
        if "labels" not in row:
            return {}
        label = np.asarray(row["labels"])
        return {"labels": label.astype(np.float32) if label.dtype == bool else label}

    def _batch(self, tensors: dict[str, Any], lengths: Sequence[int], shortest: int) -> Batch:
        import torch
        from torch.nn.functional import pad

        name, labels = self._name, tensors.pop("labels", None)
        extras = {}
        if self.input.limit is None:
            values = tensors[name]
            missing = max(0, self.input.num_columns(shortest) - values.shape[1])
            tensors[name] = pad(values, (0, missing), value=self.extractor.padding_value) if missing else values
            columns_B = torch.tensor([self.input.num_columns(length) for length in lengths])
            if self.input.has_mask:
                tensors["attention_mask"] = (torch.arange(tensors[name].shape[1]) < columns_B[:, None]).long()
            if self.input.hears_padding:
                extras["num_columns"] = columns_B
        positions = self.input.num_positions(max(*lengths, shortest))
        return Batch(inputs=tensors, labels=labels, extras=extras, num_positions=len(lengths) * positions)

    def _samples(self, row: Mapping[str, Any]) -> np.ndarray:
        """Returns the samples of a window, (T,).

        Raises:
            DataError: the file cannot be read any more.
        """
        recording: AudioExample = row["recording"]
        try:
            return read_audio(recording, self.rate, offset=row["offset"], seconds=self.window)
        except AudioError as error:
            raise _gone(recording, error) from None

    def _features(self, wave: np.ndarray, length: int, rng: np.random.Generator | None) -> np.ndarray:
        """Returns what the checkpoint reads of one window.

        Args:
            length: samples that it is filled up to.
            rng: of masks in training; None: there are none.
        """
        wave = wave[: self.input.limit] if self.input.limit else wave
        wave = np.pad(wave, (0, max(0, self.input.frame - len(wave))))
        with np.errstate(divide="ignore", invalid="ignore"):
            extracted = self.extractor(wave, sampling_rate=self.rate, return_tensors="np")[self._name][0]
        if self.input.num_frame_steps:  # digital silence has no deviation to be divided by
            extracted = np.nan_to_num(extracted, nan=0.0, posinf=0.0, neginf=0.0)
        if rng is not None and self._feature_masks is not None:
            axis, limit = self.input.time_axis, self.input.limit or len(wave)
            num_frames = math.ceil(extracted.shape[axis] * len(wave) / limit)
            return self._feature_masks.masked(extracted, time_axis=axis, num_frames=num_frames, rng=rng)
        filling = length - len(wave) if self.input.reads_samples else 0
        return np.pad(extracted, (0, filling), constant_values=self.extractor.padding_value) if filling else extracted


def lengths_of(examples: Sequence[AudioExample]) -> list[float]:
    """Returns the seconds of recordings, from their headers alone; several files are opened at once.

    Raises:
        DataError: a file cannot be read any more.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_seconds, examples))


def _seconds(example: AudioExample) -> float:
    try:
        return audio_seconds(example)
    except AudioError as error:
        raise _gone(example, error) from None


def _gone(example: AudioExample, error: AudioError) -> DataError:
    """Returns the message for a recording that was checked before, and cannot be read any more."""
    looked_at = "" if example.path is None else f" (looked at {Path(example.path).absolute()})"
    return DataError(f"The recording {example.name!r} {error}{looked_at}.")
