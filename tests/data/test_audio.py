"""Reading recordings: any rate and number of channels, segments, and everything that can be wrong with a file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from ftkit.data import audio
from ftkit.data.audio import (
    AudioError,
    AudioExample,
    AudioInfo,
    audio_info,
    audio_seconds,
    audio_source,
    measure_audio,
    read_audio,
    wav_bytes,
)
from ftkit.errors import UserError

soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")
pytest.importorskip("soxr", reason="pip install 'ftkit[audio]'")


def tone(seconds: float = 1.0, rate: int = 8_000, *, channels: int = 1, hertz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * (hertz + 10 * channel) * times) for channel in range(channels)], axis=1)


def write(path: Path, samples: np.ndarray, rate: int = 8_000, **options: str) -> AudioExample:
    soundfile.write(path, samples, rate, **options)
    return AudioExample(id=0, name=path.name, path=str(path))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_samples_are_those_that_transformers_reads(tmp_path: Path, rate: int, channels: int) -> None:
    from transformers.audio_utils import load_audio

    example = write(tmp_path / "tone.wav", tone(0.3, rate, channels=channels), rate)
    expected = load_audio(str(tmp_path / "tone.wav"), sampling_rate=16_000, backend="soundfile")
    found = read_audio(example, 16_000)
    assert found.dtype == np.float32
    assert found.shape == (4_800,)
    np.testing.assert_allclose(found, expected, atol=1e-6)  # a mean over rows or over columns rounds otherwise


@pytest.mark.parametrize("name", ["tone.wav", "tone.flac", "tone.ogg", "tone.mp3", "tone.aiff"])
def test_formats(tmp_path: Path, name: str) -> None:
    example = write(tmp_path / name, tone(1.0, 16_000), 16_000)
    assert audio_info(example) == AudioInfo(16_000, 1, 16_000)
    from_bytes = AudioExample(id=0, name=name, content=(tmp_path / name).read_bytes())
    np.testing.assert_array_equal(read_audio(from_bytes, 16_000), read_audio(example, 16_000))
    assert np.abs(read_audio(example, 16_000) - tone(1.0, 16_000)[:, 0]).max() < 0.1


def test_a_segment_is_that_part_of_the_file(tmp_path: Path) -> None:
    whole = write(tmp_path / "tone.flac", tone(2.0))
    segment = AudioExample(id=1, name="tone.flac", path=whole.path, start=0.5, end=1.25)
    assert audio_seconds(segment) == 0.75
    np.testing.assert_array_equal(read_audio(segment, 8_000), read_audio(whole, 8_000)[4_000:10_000])
    window = read_audio(segment, 8_000, offset=0.25, seconds=0.25)
    np.testing.assert_array_equal(window, read_audio(whole, 8_000)[6_000:8_000])
    assert len(read_audio(segment, 8_000, offset=0.5, seconds=9.0)) == 2_000  # a window ends with the segment
    assert segment.summary() == "tone.flac, 0.5-1.25 s"


def test_equal_recordings_have_equal_keys(tmp_path: Path) -> None:
    samples = (tone(1.0) * 32_767).astype(np.int16)  # wav and flac round other numbers differently when written
    one, other = write(tmp_path / "one.wav", samples), write(tmp_path / "other.flac", samples)
    content = AudioExample(id=3, name="bytes", content=(tmp_path / "one.wav").read_bytes())
    assert one.key() == other.key() == content.key()
    assert one.key() != write(tmp_path / "two.wav", tone(1.0, hertz=441)).key()
    first = AudioExample(id=4, name="one.wav", path=one.path, end=0.5)
    assert first.key() != one.key()
    assert first.key() == AudioExample(id=5, name="other.flac", path=other.path, end=0.5).key()


def test_a_file_that_changes_is_measured_again(tmp_path: Path) -> None:
    before = write(tmp_path / "tone.wav", tone(1.0)).key()
    assert write(tmp_path / "tone.wav", tone(1.5)).key() != before


def test_a_measure_has_the_peak_and_the_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 1_000)
    example = write(tmp_path / "tone.wav", tone(1.0), subtype="FLOAT")
    found = measure_audio(example)
    assert (found.frames, found.missing_frames) == (8_000, 0)
    assert found.peak == pytest.approx(0.5, abs=1e-3)
    broken = tone(1.0)
    broken[7] = np.nan
    assert np.isnan(measure_audio(write(tmp_path / "nan.wav", broken, subtype="FLOAT")).peak)


@pytest.mark.parametrize("name", ["cut.wav", "cut.mp3"])
def test_a_file_that_was_cut_short_lacks_frames(tmp_path: Path, name: str) -> None:
    example = write(tmp_path / name, tone(4.0, 16_000), 16_000)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    found = measure_audio(example)
    assert found.missing_frames > 16_000
    assert abs(found.frames + found.missing_frames - 64_000) < 4_000


def test_a_wav_file_written_to_a_pipe_lacks_nothing(tmp_path: Path) -> None:
    example = write(tmp_path / "tone.wav", tone(1.0))
    content = bytearray((tmp_path / "tone.wav").read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "tone.wav").write_bytes(bytes(content))
    found = measure_audio(example)
    assert (found.frames, found.missing_frames) == (8_000, 0)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    def reason(content: bytes | None, name: str = "a.wav") -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(AudioError) as caught:
            read_audio(AudioExample(id=0, name=name, path=str(tmp_path / name)), 16_000)
        return str(caught.value)

    assert reason(None, "gone.wav") == "is missing"
    assert reason(b"") == "is empty: it has 0 bytes"
    assert reason(b"hello, I am a text").startswith("is no audio file that libsndfile can decode (wav, flac")
    assert reason(b"\0\0\0\x18ftypM4A ", "a.m4a").startswith("is m4a, which libsndfile does not decode; convert it")
    (tmp_path / "folder.wav").mkdir()
    assert reason(None, "folder.wav").startswith("cannot be read: Is a directory")
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000, format="FLAC")
    assert reason(buffer.getvalue()[:30_000], "cut.flac").startswith("is damaged: flac decoder lost sync")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a/1.wav", {"path": "data/a/1.wav"}),
        (b"RIFF", {"content": b"RIFF"}),
        ({"bytes": None, "path": "1.wav"}, {"path": "data/1.wav"}),
        ({"bytes": b"RIFF", "path": "1.wav"}, {"content": b"RIFF"}),
        ({"bytes": None, "path": None}, {}),
        (None, {}),
        ("", {}),
    ],
)
def test_cells(cell: object, expected: dict[str, object]) -> None:
    assert audio_source(cell, Path("data")) == expected


def test_decoded_samples_are_read_as_they_are() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 800)).astype(np.float32)
    for given in (samples, samples[0], (samples * 32_767).astype(np.int16)):
        example = AudioExample(id=0, name="", **audio_source({"array": given, "sampling_rate": 800}, None))
        expected = given.astype(np.float32) / (32_768 if given.dtype == np.int16 else 1)
        np.testing.assert_array_equal(read_audio(example, 800), expected.mean(axis=0) if given.ndim == 2 else expected)


def test_a_cell_that_holds_no_recording() -> None:
    with pytest.raises(TypeError, match="expected a path or the bytes of a recording, got int"):
        audio_source(7, None)


def test_an_unreadable_recording_still_has_a_key(tmp_path: Path) -> None:
    example = AudioExample(id=0, name="gone.wav", path=str(tmp_path / "gone.wav"))
    assert example.key() == (example.path, None, None)


def test_without_the_libraries_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    audio._library.cache_clear()
    with pytest.raises(UserError, match=r"(?s)soundfile cannot be imported.*pip install 'ftkit\[audio\]'"):
        read_audio(AudioExample(id=0, name="a.wav", path="a.wav"), 16_000)
    audio._library.cache_clear()


def test_equal_samples_are_equal_bytes_whenever_they_are_written() -> None:
    """libsndfile writes the second into the header."""
    samples = np.linspace(-1, 1, 100, dtype=np.float32)
    content = wav_bytes(samples, 8_000)
    place = content.index(b"PEAK")
    assert content[place + 12 : place + 16] == bytes(4)
    assert np.array_equal(soundfile.read(io.BytesIO(content), dtype="float32")[0], samples)
