"""Checks recordings before anything is trained: every file is decoded once, and what is wrong is named by its row."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ftkit.console import console
from ftkit.data.audio import AudioError, AudioExample, AudioInfo, AudioMeasure, audio_info, measure_audio
from ftkit.data.check import Wording
from ftkit.data.media_files import is_media_file, similar_file
from ftkit.data.problems import Problems
from ftkit.types import Split

SILENCE = 1e-4
"""Peak below which a recording is silent: -80 dB of full scale, three steps of 16-bit samples."""

SHORT_SECONDS = 0.05
"""A recording below this holds no word and no note; most models read 0.025 s in one step."""

END_TOLERANCE = 0.1
"""Seconds by which an `end` may lie beyond the file: tools that mark segments round, and files are cut at packets."""

RECORDINGS = Wording("recording", "recordings", "sample for sample")

T = TypeVar("T")


def check_recordings(splits: Mapping[str, Split[AudioExample]], problems: Problems) -> None:
    """Reports recordings that are missing, damaged, empty, silent or very short, wrong segments, and mixed rates.

    Args:
        splits: name -> split; every recording is decoded.
        problems: what is found is added here.
    """
    rates: Counter[int] = Counter()
    for split in splits.values():
        for example, measure in zip(split.examples, _each(measure_audio, split, problems), strict=True):
            if measure is None:
                continue
            rates[measure.info.rate] += 1
            if _segment_fits(split, example, measure.info, problems):
                _check_samples(split, example, measure, problems)
    if len(rates) > 1:
        listed = ", ".join(f"{rate:,} Hz ({count:,} recordings)" for rate, count in sorted(rates.items()))
        problems.warn(
            f"the recordings have different rates: {listed}",
            remedy="nothing where the rate says nothing of the label: all are resampled to what the checkpoint reads",
        )


def check_readable(split: Split[AudioExample], problems: Problems) -> None:
    """Reports recordings that cannot be opened, and wrong segments; only headers are read."""
    for example, info in zip(split.examples, _each(audio_info, split, problems), strict=True):
        if info is not None:
            _segment_fits(split, example, info, problems)


def _each(read: Callable[[AudioExample], T], split: Split[AudioExample], problems: Problems) -> Iterator[T | None]:
    """Yields what a function reads of each recording; None, and an error, where it cannot be read.

    libsndfile leaves Python's lock while it works, so threads read at once.
    """

    def attempt(example: AudioExample) -> T | AudioError:
        if example.path is None and example.content is None:
            return AudioError("is missing: its cell is empty")
        try:
            return read(example)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for example, found in zip(split.examples, _shown(pool.map(attempt, split.examples), split), strict=True):
            if isinstance(found, AudioError):
                near = similar_file(example.path) if example.path and not is_media_file(example.path) else None
                problems.error(
                    f"{split.name}: the recording {found}",
                    where=_place(split, example) + (f", where {near!r} is" if near else ""),
                    remedy="correct the path, replace the file, or delete the row",
                )
                yield None
            else:
                yield found


def _shown(items: Iterator[T], split: Split[AudioExample]) -> Iterator[T]:
    """Yields items, with a progress bar on a terminal."""
    if not console().is_terminal or split.is_sample:  # beside a training that has a bar of its own
        yield from items
        return
    from rich.progress import track

    yield from track(
        items, f"reading {split.name}", total=len(split), console=console(), transient=True, update_period=0.5
    )


def _segment_fits(split: Split[AudioExample], example: AudioExample, info: AudioInfo, problems: Problems) -> bool:
    """Reports a segment that is none; tells whether it is right."""
    start = example.start or 0.0
    end = info.seconds if example.end is None else example.end
    if info.frames == 0:
        what, remedy = "the recording holds no samples", "replace the file, or delete the row"
    elif start < 0 or end < 0:
        what, remedy = "start and end are seconds, 0 or more", "correct the row"
    elif start >= info.seconds or end > info.seconds + END_TOLERANCE:
        what = f"the segment {start:g}-{end:g} s reaches beyond the recording, which has {info.seconds:.2f} s"
        remedy = "correct start and end; they are seconds from the beginning of the file"
    elif start >= end:
        what, remedy = f"the segment ends at {end:g} s, before or where it starts ({start:g} s)", "correct the row"
    else:
        return True
    kind = f"{split.name}: {remedy}"
    problems.error(f"{split.name}: {what}", where=_place(split, example), remedy=remedy, kind=kind)
    return False


def _check_samples(
    split: Split[AudioExample], example: AudioExample, measure: AudioMeasure, problems: Problems
) -> None:
    """Reports what is wrong with a recording that could be decoded."""
    place, rate = _place(split, example), measure.info.rate
    if math.isnan(measure.peak):
        problems.error(
            f"{split.name}: the recording holds samples that are no finite numbers",
            where=place,
            remedy="write the file again, or delete the row",
        )
    elif measure.frames == 0:
        problems.error(
            f"{split.name}: the recording holds no samples",
            where=place,
            remedy="replace the file, or delete the row",
        )
    elif measure.peak < SILENCE:
        problems.warn(
            f"{split.name}: the recording is silent",
            where=place,
            remedy="listen to it; delete the row if it is a mistake",
        )
    elif measure.frames < SHORT_SECONDS * rate:
        problems.warn(
            f"{split.name}: the recording is shorter than {SHORT_SECONDS:g} s; it is filled up with silence",
            where=place,
            remedy="check start and end, or delete the row",
        )
    if measure.missing_frames > END_TOLERANCE * rate:
        problems.warn(
            f"{split.name}: the file was cut short: its header promises more than it holds",
            where=f"{place} ({measure.missing_frames / rate:.1f} s are missing)",
            remedy="copy it again",
        )


def _place(split: Split[AudioExample], example: AudioExample) -> str:
    """Returns where a recording is named, and what it is called."""
    return f"{split.where(example)} ({example.name})" if example.line else split.where(example)
