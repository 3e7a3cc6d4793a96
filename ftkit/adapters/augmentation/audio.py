"""Random changes of recordings, with NumPy and soxr: of samples, and of spectrograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ftkit.adapters.augmentation.operation import IN_ORDER, Augment, DrawnOperation, Operation
from ftkit.data.audio import resample


@dataclass(frozen=True)
class Lengths:
    """How long a changed recording may be, in samples.

    Attributes:
        shortest: what can still be learnt from it needs so many.
        longest: so many are read at once.
    """

    shortest: int
    longest: int


Decibels = Annotated[float, Field(ge=-60, le=60)]
Factor = Annotated[float, Field(ge=0.5, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]


class WaveOperation(DrawnOperation):
    """A change of samples."""

    def apply(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Returns samples, changed within the operation's bounds and the lengths.

        Args:
            wave_T: float32.
            rate: samples a second.
        """
        raise NotImplementedError


class Speed(WaveOperation):
    """Faster or slower, and with it higher or lower (Ko et al. 2015, Interspeech), by resampling."""

    factor: Annotated[tuple[Factor, Factor], IN_ORDER] = Field(
        (0.9, 1.1), description="Bounds of the factor: 1.1 is a tenth faster."
    )

    def apply(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Resamples the recording.

        Example: 16,000 samples by the factor 1.25 are 12,800. Where 14,000 are needed at least, the factor is drawn
        from those that leave so many.
        """
        drawn, number = rng.random(), len(wave_T)
        low = max(self.factor[0], number / lengths.longest)
        high = min(self.factor[1], number / max(lengths.shortest, 1))
        if low > high:
            return wave_T
        factor = low + drawn * (high - low)
        changed_T = resample(wave_T, factor, 1.0)[: lengths.longest]
        return changed_T if len(changed_T) >= lengths.shortest else wave_T


class Shift(WaveOperation):
    """Silence before the recording, which so begins later; nothing of it is lost."""

    seconds: float = Field(0.1, gt=0, le=10, description="The longest silence.")

    def apply(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Puts silence before the recording, as much of it as leaves room for all."""
        silence = min(round(float(rng.uniform(0, self.seconds)) * rate), lengths.longest - len(wave_T))
        return np.pad(wave_T, (max(silence, 0), 0))


class Gain(WaveOperation):
    """Louder or softer."""

    decibels: Annotated[tuple[Decibels, Decibels], IN_ORDER] = Field(
        (-6.0, 6.0), description="Bounds of the change: 6 is twice the amplitude."
    )

    def apply(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Scales the recording; nothing is clipped."""
        return (wave_T * 10.0 ** (rng.uniform(*self.decibels) / 20)).astype(np.float32)


class Noise(WaveOperation):
    """White noise, so much softer than the recording as the signal-to-noise ratio says; silence stays silent."""

    probability: float = Field(0.5, gt=0, le=1, description="Share of the recordings that get noise.")
    snr: Annotated[tuple[Decibels, Decibels], IN_ORDER] = Field(
        (10.0, 30.0), description="Bounds of the signal-to-noise ratio in decibels: 10 is loud, 30 is hardly heard."
    )

    def apply(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Adds noise."""
        ratio = 10.0 ** (rng.uniform(*self.snr) / 10)
        power = float(np.mean(np.square(wave_T, dtype=np.float64))) if len(wave_T) else 0.0
        noise_T = rng.standard_normal(len(wave_T), np.float32) * np.float32(np.sqrt(power / ratio))
        return wave_T + noise_T


class SpecAugment(Operation):
    """Masks over parts of what is heard (Park et al. 2019, arXiv 1904.08779), by the keys of transformers' configs.

    Of spectrograms, masks are drawn for each row here. Checkpoints that read samples draw them in the model, over what
    its convolutions make of them, by the model's own code.
    """

    mask_time_prob: float = Field(0.05, ge=0, le=1, description="Share of the positions in time under masks.")
    mask_time_length: int = Field(10, gt=0, description="Positions of a mask in time.")
    mask_feature_prob: float = Field(0.0, ge=0, le=1, description="Share of the features under masks.")
    mask_feature_length: int = Field(10, gt=0, description="Features of a mask.")

    def masked(self, values: np.ndarray, *, time_axis: int, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """Returns a spectrogram with 0 under its masks; they may overlap.

        Example: 0.5 of 100 frames in masks of 10 are five masks in time; 0.05 of them are none or one, as often.

        Args:
            values: (frames, features) or the other way round.
            time_axis: which of the two is time.
            num_frames: those that are of the recording and fill up nothing.
        """
        masked = values.copy()
        rows = masked if time_axis == 0 else masked.T
        for start in _starts(num_frames, self.mask_time_prob, self.mask_time_length, rng):
            rows[start : start + self.mask_time_length] = 0
        for start in _starts(rows.shape[1], self.mask_feature_prob, self.mask_feature_length, rng):
            rows[:, start : start + self.mask_feature_length] = 0
        return masked

    @property
    def config(self) -> dict[str, Any]:
        """What the config of a model that draws masks itself is to say; masks of no share switch them off."""
        return {
            "apply_spec_augment": self.mask_time_prob > 0 or self.mask_feature_prob > 0,
            **self.model_dump(),
        }


def _starts(number: int, share: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns where masks begin: as many as cover the share, rounded at random so that the mean is right."""
    count = int(share * number / length + rng.random())
    places = max(number - length + 1, 0)
    return rng.permutation(places)[: min(count, places)]


class AudioAugment(Augment):
    """Random changes of training recordings, in this order."""

    speed: Speed | None = Field(None, description="Makes it faster or slower, by resampling.")
    shift: Shift | None = Field(None, description="Puts silence before it.")
    gain: Gain | None = Field(None, description="Makes it louder or softer.")
    noise: Noise | None = Field(None, description="Adds noise.")
    spec_augment: SpecAugment | None = Field(
        None, description="Masks parts of what is heard. Default: what the checkpoint's config says."
    )

    @property
    def waves(self) -> list[WaveOperation]:
        """The changes of samples that are asked for."""
        return [operation for operation in self.operations if isinstance(operation, WaveOperation)]

    def applied(self, wave_T: np.ndarray, rate: int, lengths: Lengths, rng: np.random.Generator) -> np.ndarray:
        """Returns a recording changed at random; equal generators give equal samples."""
        for operation in self.drawn(rng):
            if isinstance(operation, WaveOperation):
                wave_T = operation.apply(wave_T, rate, lengths, rng)
        return wave_T

    def longest(self, number: int, rate: int) -> int:
        """Returns the most samples that a recording may have when it has been changed.

        Args:
            number: of its samples.
            rate: samples a second.
        """
        slower = 1.0 if self.speed is None else min(self.speed.factor[0], 1.0)
        later = 0.0 if self.shift is None else self.shift.seconds
        return int(np.ceil(number / slower)) + int(np.ceil(later * rate)) + 1
