"""Changes of recordings: bounded, never longer or shorter than can be learnt, equal for equal generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ftkit.adapters.augmentation.audio import AudioAugment, Lengths, SpecAugment

RATE = 16_000
ANY = Lengths(1, 10 * RATE)
ALL: dict[str, Any] = {"speed": True, "shift": True, "gain": True, "noise": {"probability": 1}}


def tone(seconds: float = 1.0, pitch: float = 440.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def changed(wave: np.ndarray, lengths: Lengths = ANY, seed: int = 0, **operations: Any) -> np.ndarray:
    found = AudioAugment.model_validate(operations).applied(wave, RATE, lengths, np.random.default_rng(seed))
    assert found.dtype == np.float32
    return found


def pitch_of(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE / len(wave))


def test_the_same_generator_gives_the_same_samples():
    one, two, other = (changed(tone(), seed=seed, **ALL) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one[:1000], other[:1000])


def test_a_faster_recording_is_shorter_and_higher():
    for seed in range(20):
        found = changed(tone(), seed=seed, speed={"factor": [1.2, 1.5]})
        factor = RATE / len(found)
        assert 1.2 - 1e-3 <= factor <= 1.5 + 1e-3
        assert pitch_of(found) == pytest.approx(440 * factor, rel=0.01)


def test_a_changed_recording_is_as_long_as_can_be_read_and_learnt():
    lengths = Lengths(round(0.95 * RATE), round(1.02 * RATE))
    found = [
        len(changed(tone(), lengths, seed, speed={"factor": [0.5, 2]}, shift={"seconds": 1})) for seed in range(60)
    ]
    assert lengths.shortest <= min(found) < RATE < max(found) <= lengths.longest
    # Where there is no room, or too little of it to begin with, nothing is changed.
    assert len(changed(tone(), Lengths(RATE, RATE), speed={"factor": [0.5, 2]}, shift=True)) == RATE
    assert len(changed(tone(), Lengths(3 * RATE, 4 * RATE), speed={"factor": [0.5, 2]})) == RATE
    augment = AudioAugment.model_validate({"speed": {"factor": [0.8, 1.1]}, "shift": {"seconds": 0.5}})
    most = max(len(augment.applied(tone(), RATE, ANY, np.random.default_rng(seed))) for seed in range(200))
    assert 1.6 * RATE < most <= augment.longest(RATE, RATE)


def test_nothing_of_a_shifted_recording_is_lost():
    found = changed(tone(), shift={"seconds": 0.2})
    silence = len(found) - RATE
    assert 0 < silence <= 0.2 * RATE
    assert not found[:silence].any()
    assert np.array_equal(found[silence:], tone())


def test_noise_has_the_ratio_and_a_gain_the_decibels_that_were_said():
    noise = changed(tone(), noise={"probability": 1, "snr": [10, 10]}) - tone()
    assert 10 * np.log10(np.mean(tone() ** 2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)
    assert not changed(np.zeros(100, np.float32), noise={"probability": 1}).any()
    assert changed(tone(), gain={"decibels": [6.0206, 6.0206]})[100] == pytest.approx(2 * tone()[100], rel=1e-4)
    found = [np.abs(changed(tone(), seed=seed, gain=True)).max() / 0.3 for seed in range(100)]
    assert 0.5 < min(found) < 0.6 < 1.7 < max(found) < 2


@pytest.mark.parametrize("time_axis", [0, 1])
def test_masks_cover_their_share_of_the_recording_and_nothing_that_fills_it_up(time_axis):
    masks = SpecAugment(mask_time_prob=0.5, mask_time_length=10, mask_feature_prob=0.25, mask_feature_length=5)
    shares = []
    for seed in range(50):
        values = np.ones((200, 40) if time_axis == 0 else (40, 200), np.float32)
        rng = np.random.default_rng(seed)
        found = masks.masked(values, time_axis=time_axis, num_frames=100, rng=rng)
        assert (values == 1).all()
        frames = found if time_axis == 0 else found.T
        hidden = ~frames.any(axis=0)
        assert hidden.sum() in range(5, 11)  # two masks of five features
        masked = ~frames[:, ~hidden].any(axis=1)
        assert not masked[100:].any()
        shares.append(masked[:100].mean())
    assert 0.35 < np.mean(shares) < 0.5  # masks overlap
    assert SpecAugment(mask_time_length=300).masked(values, time_axis=time_axis, num_frames=100, rng=rng).all()


def test_masks_of_no_share_switch_off_what_the_checkpoint_says():
    assert SpecAugment(mask_time_prob=0.0).config["apply_spec_augment"] is False
    assert SpecAugment().config == {
        "apply_spec_augment": True, "mask_time_prob": 0.05, "mask_time_length": 10, "mask_feature_prob": 0.0,
        "mask_feature_length": 10,
    }  # fmt: skip
