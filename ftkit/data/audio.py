"""Recordings: what an example of one is, what its header says, and how its samples are read.

Files are decoded by libsndfile (wav, flac, ogg, opus, mp3, aiff ...) and resampled by soxr, in the steps of librosa
and of `transformers.audio_utils.load_audio(..., backend="soundfile")`, so that the samples are theirs. A segment is
read without the rest of its file.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import re
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.data.media_files import is_address, media_size, media_stamp, open_media
from ftkit.errors import DataError, UserError
from ftkit.types import CellError, Label

FILE_SIZE = 1_000
"""What a recording in a file counts for while it waits, in characters: its path and little else is in memory."""

BLOCK_FRAMES = 1 << 18  # frames decoded at once where a whole recording is measured: 1 MB for each channel

MIN_RATE, MAX_RATE = 100, 1_000_000
"""Frames a second. A file of a few kilobytes may say one, and become gigabytes at the rate that a model reads."""

_CUT_WAV = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_HEADER_BYTES = 128  # of the wav files that libsndfile writes, at most
_STREAMED = 0x7FFF_0000  # bytes; programs that write to a pipe do not know the size and write a placeholder above this


@dataclass(frozen=True, slots=True)
class AudioExample:
    """One recording, or a segment of one, to classify.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        name: the recording as the row names it, for messages and tables.
        path: the file to read; None where `content` holds its bytes.
        content: the bytes of an audio file; None where there is a `path`.
        start: where the segment begins, in seconds; None: at the beginning.
        end: where the segment ends, in seconds; None: at the end.
        label: None when the row is only to be predicted.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its speaker.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    name: str
    path: str | None = None
    content: bytes | None = field(default=None, repr=False)
    start: float | None = None
    end: float | None = None
    label: Label | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """How much there is to hold in memory, in characters or bytes."""
        return FILE_SIZE if self.content is None else len(self.content)

    @property
    def source(self) -> str | bytes:
        """Returns what is decoded: a path, or the bytes of a file."""
        return self.content if self.content is not None else str(self.path)

    def key(self) -> Hashable:
        """Returns a digest of the decoded samples; recordings that cannot be decoded are told apart by their place.

        Equal recordings have equal keys whatever their files are called and, without loss, however they are packed.
        """
        try:
            return measure_audio(self).digest
        except AudioError:
            return self.source, self.start, self.end

    def summary(self) -> str:
        """Returns the recording's name and, of a segment, its seconds: `calls/7.wav, 1.5-3 s`."""
        if self.start is None and self.end is None:
            return self.name
        end = "" if self.end is None else f"{self.end:g}"
        return f"{self.name}, {self.start or 0:g}-{end} s"


def audio_source(cell: Any, folder: Path | None) -> dict[str, Any]:
    """Returns the `path` or the `content` of the recording that a cell of a table means.

    Args:
        cell: a path, the bytes of a file, `{"bytes": ..., "path": ...}` as `datasets` stores recordings, decoded
            samples `{"array": ..., "sampling_rate": ...}`, or nothing.
        folder: where relative paths begin.

    Raises:
        TypeError: it is nothing of these.

    Example:
        >>> audio_source({"bytes": None, "path": "calls/1.wav"}, Path("data"))
        {'path': 'data/calls/1.wav'}
    """
    if isinstance(cell, Mapping) and {"array", "sampling_rate"} <= cell.keys():
        return {"content": wav_bytes(np.asarray(cell["array"]), int(cell["sampling_rate"]))}
    if isinstance(cell, Mapping) and {"bytes", "path"} & cell.keys():
        content = cell.get("bytes")
        cell = cell.get("path") if content is None else content
    if cell is None or cell == "":
        return {}
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return {"content": bytes(cell)}
    if isinstance(cell, (str, Path)):
        return {"path": str(folder / cell if folder is not None else cell)}
    raise TypeError(f"expected a path or the bytes of a recording, got {type(cell).__name__}")


def audio_name(cell: Any, position: int) -> str:
    """Returns what people call the recording of a cell: its path as written, else its number."""
    path = cell.get("path") if isinstance(cell, Mapping) else cell
    return str(path) if isinstance(path, (str, Path)) and str(path) else f"recording {position + 1}"


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    """Returns samples as the bytes of a wav file, without loss.

    Args:
        samples: (T,) or (C, T), as `datasets` decodes them; whole numbers of 16 bits, or floating-point numbers.
        rate: samples a second.
    """
    file = io.BytesIO()
    subtype = "PCM_16" if samples.dtype == np.int16 else "FLOAT"
    _library("soundfile").write(file, samples.T, rate, format="WAV", subtype=subtype)
    content = bytearray(file.getvalue())
    # libsndfile writes the time of day into the header of floating-point numbers: equal samples would differ.
    place = content.find(b"PEAK", 0, _HEADER_BYTES)
    if place >= 0:
        content[place + 12 : place + 16] = bytes(4)  # behind the chunk's name, its size and its version
    return bytes(content)


class AudioError(DataError):
    """A recording cannot be read. The message says why, in words that follow the recording's name."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a file says of the whole recording.

    Attributes:
        rate: frames a second.
        channels: samples in a frame.
        frames: length.
    """

    rate: int
    channels: int
    frames: int

    @property
    def seconds(self) -> float:
        """Returns the length in seconds."""
        return self.frames / self.rate

    def span(self, example: AudioExample) -> tuple[int, int]:
        """Returns the half-open range of frames of an example's segment, within the file: `(start, stop)`."""
        stop = self.frames if example.end is None else min(max(0, round(example.end * self.rate)), self.frames)
        start = max(0, round((example.start or 0.0) * self.rate))
        return min(start, stop), stop


@dataclass(frozen=True)
class AudioMeasure:
    """What reading all samples of a segment tells.

    Attributes:
        info: of the whole file.
        frames: how many the segment has that can be decoded.
        missing_frames: how many more the header promises for it.
        peak: the largest absolute sample; 1.0 is full scale. Not a number where a sample is none.
        digest: of rate, channels and samples.
    """

    info: AudioInfo
    frames: int
    missing_frames: int
    peak: float
    digest: str


def audio_info(example: AudioExample) -> AudioInfo:
    """Reads the header of a recording's file.

    Raises:
        AudioError: there is no such file, or it cannot be decoded.
        UserError: soundfile is not installed.
    """
    with _opened(example.source) as file:
        return _info(file)


def audio_seconds(example: AudioExample) -> float:
    """Returns the seconds of a recording or of its segment, from the header alone; raises as `audio_info`."""
    info = audio_info(example)
    start, stop = info.span(example)
    return (stop - start) / info.rate


def read_audio(example: AudioExample, rate: int, *, offset: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Reads a recording, its segment, or a window of either, as a model takes it.

    Example: a stereo segment from 2.0 s to 3.5 s of a file with 44,100 frames a second, read at a rate of 16,000, is
    an array of 24,000 numbers: the mean of both channels, resampled. With `offset=1.0` it is the last 8,000 of them.

    Args:
        rate: samples a second of the result.
        offset: where the window begins, in seconds after the segment's begin.
        seconds: length of the window; None: to the segment's end. A window ends with the segment.

    Returns:
        Mono samples between -1 and 1, float32, (T,).

    Raises:
        AudioError: there is no such file, or it cannot be decoded.
        UserError: soundfile or soxr is not installed.
    """
    with _opened(example.source) as file:
        info = _info(file)
        first, last = info.span(example)
        start = min(first + round(offset * info.rate), last)
        stop = last if seconds is None else min(start + math.ceil(seconds * info.rate), last)
        with _decoding():
            file.seek(start)
            samples_TC = _read_frames(file, stop - start)
    samples_T = samples_TC[:, 0] if info.channels == 1 else samples_TC.mean(axis=1)
    return resample(samples_T, info.rate, rate)


def resample(samples_T: np.ndarray, rate: float, wanted: float) -> np.ndarray:
    """Returns mono samples at another rate, float32: `ceil(T * wanted / rate)` of them."""
    if rate != wanted and len(samples_T):
        length = math.ceil(len(samples_T) * wanted / rate)
        samples_T = _library("soxr").resample(samples_T, rate, wanted, quality="soxr_hq")
        samples_T = np.pad(samples_T, (0, max(0, length - len(samples_T))))[:length]
    return np.ascontiguousarray(samples_T, dtype=np.float32)


def measure_audio(example: AudioExample) -> AudioMeasure:
    """Decodes all samples of a recording or its segment, in constant memory; remembered until the file changes.

    Raises:
        AudioError: there is no such file, or it cannot be decoded.
        UserError: soundfile is not installed.
    """
    return _measured(example.source, _stamp(example.source), example.start, example.end)


@functools.lru_cache(maxsize=1 << 20)
def _measured(source: str | bytes, stamp: Hashable, start: float | None, end: float | None) -> AudioMeasure:
    segment = AudioExample(id=0, name="", content=None, start=start, end=end)
    with _opened(source) as file:
        info = _info(file)
        first, last = info.span(segment)
        digest = hashlib.sha256(f"{info.rate} {info.channels}".encode())
        peak, frames = 0.0, 0
        with _decoding():
            file.seek(first)
            while len(block := file.read(min(BLOCK_FRAMES, last - first - frames), dtype="float32", always_2d=True)):
                digest.update(block.tobytes())
                peak = max(peak, float(np.abs(block).max())) if np.isfinite(block).all() else math.nan
                frames += len(block)
        missing = last - first - frames + (_missing_wav_frames(file, info) if end is None else 0)
    return AudioMeasure(info, frames, missing, peak, digest.hexdigest())


def _missing_wav_frames(file: Any, info: AudioInfo) -> int:
    """Returns how many frames a wav file promises beyond its end; libsndfile tells it only in its log."""
    found = _CUT_WAV.search(file.extra_info)
    if found is None or int(found[1]) >= _STREAMED or int(found[2]) == 0:
        return 0
    return max(0, round(info.frames * (int(found[1]) / int(found[2]) - 1)))


def _stamp(source: str | bytes) -> Hashable:
    """Returns what changes when a file does; nothing for bytes, which are compared themselves."""
    if isinstance(source, bytes):
        return None
    try:
        return media_stamp(source)
    except OSError:
        return None


def _info(file: Any) -> AudioInfo:
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        raise AudioError(
            f"says in its header that a second has {file.samplerate:,} samples; recordings have {MIN_RATE:,} to "
            f"{MAX_RATE:,}"
        )
    return AudioInfo(file.samplerate, file.channels, file.frames)


def _read_frames(file: Any, count: int) -> np.ndarray:
    """Reads so many frames, or those that there are: memory is taken for samples, not for what a header promises.

    Returns:
        Samples, float32, (T, C).
    """
    blocks = [np.empty((0, file.channels), np.float32)]
    while count and len(block := file.read(min(BLOCK_FRAMES, count), dtype="float32", always_2d=True)):
        blocks.append(block)
        count -= len(block)
    return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)


@contextmanager
def _opened(source: str | bytes) -> Iterator[Any]:
    """Yields an open `soundfile.SoundFile`; what cannot be opened becomes an AudioError."""
    soundfile = _library("soundfile")
    try:
        if isinstance(source, bytes):
            raw: Any = io.BytesIO(source)
        else:
            raw = open_media(source)  # closed below, and also where libsndfile refuses it
    except OSError as error:
        if isinstance(source, str) and is_address(source):
            raise AudioError("is an address of the web; save the file, and name that") from None
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise AudioError(reason) from None
    with raw:
        try:
            file = soundfile.SoundFile(raw)
        except (soundfile.SoundFileError, TypeError):  # TypeError: a raw file without a header
            raise AudioError(_why_not_audio(source)) from None
        with file:
            yield file


def _why_not_audio(source: str | bytes) -> str:
    """Returns what is wrong with a file that libsndfile does not open."""
    size = len(source) if isinstance(source, bytes) else media_size(source)
    if size == 0:
        return "is empty: it has 0 bytes"
    suffix = "" if isinstance(source, bytes) else Path(source).suffix.lower()
    if suffix in (".m4a", ".aac", ".mp4", ".wma", ".webm", ".amr", ".3gp"):
        return f"is {suffix[1:]}, which libsndfile does not decode; convert it, for example to flac or wav"
    return "is no audio file that libsndfile can decode (wav, flac, ogg, opus, mp3, aiff ...), or is damaged"


@contextmanager
def _decoding() -> Iterator[None]:
    """Turns what goes wrong in the middle of a file into an AudioError."""
    try:
        yield
    except _library("soundfile").SoundFileError as error:
        raise AudioError(f"is damaged: {str(error).removeprefix('Error : ').rstrip('.')}") from None


@functools.cache
def _library(name: str) -> Any:
    """Returns soundfile or soxr, which only tasks on audio need.

    Raises:
        UserError: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: its C library is missing
        raise UserError(
            f"Audio files are read with soundfile and soxr, and {name} cannot be imported here ({error}).\n"
            "Fix: pip install 'ftkit[audio]'"
        ) from None
