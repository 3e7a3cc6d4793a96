"""What kinds have in common whose rows are recordings: audio classification, speech recognition."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ftkit.data.audio import AudioExample, audio_name, audio_source, read_audio, wav_bytes
from ftkit.data.cells import WrongCell, describe, single
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError
from ftkit.kinds.kind import Role

NO_AUDIO: dict[str, Any] = {}
PROBE_RATE = 16_000
PROBE_PITCH = 220.0  # hertz
SECONDS_A_POSITION = 0.02  # of wav2vec2, HuBERT, WavLM and Whisper

SEGMENT_ROLES: Mapping[str, Role] = {
    "start": Role(description="where a segment starts in its recording, in seconds", column="start"),
    "end": Role(description="where a segment ends, in seconds", column="end"),
}

ExampleT = TypeVar("ExampleT", bound=AudioExample)


def fields_of(
    cells: RowCells, table: Table, position: int, line: int, *, folder: Path | None = None
) -> dict[str, Any]:
    """Returns what an `AudioExample` holds of a row's recording, but for its label; no file is opened.

    A cell of the column `audio` holds a path, relative to the folder of the file that names it, or the bytes of an
    audio file, or both as `datasets` stores them.

    Args:
        position: of the row in its file, from 0.
        line: where it begins there; 0 where rows are files.
        folder: where relative paths begin, if not beside the file.
    """
    name = audio_name(cells.get("audio"), position)
    return {
        "id": cells.id(position if line else name),
        "name": name,
        **cells.read("audio", functools.partial(_audio, folder=folder or table.folder), NO_AUDIO),
        "start": cells.read("start", seconds_of, None),
        "end": cells.read("end", seconds_of, None),
        "line": line,
        "group": cells.group(file="audio", folder=folder or table.folder),
    }


def _audio(cell: Any, folder: Path | None) -> dict[str, Any]:
    cell = single(cell)
    try:
        return audio_source(cell, folder)
    except (TypeError, ValueError):
        raise WrongCell(describe(cell), "write the path of a recording, or the bytes of its file", cell=cell) from None


def seconds_of(cell: Any) -> float | None:
    """Returns a number of seconds; None where the row does not say it.

    Raises:
        WrongCell: it holds something else.
    """
    cell = single(cell)
    if cell is None or cell == "":
        return None
    try:
        seconds = float(cell)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise WrongCell("holds no number of seconds", "write one such as 1.5, or leave it empty", cell=cell)
    return seconds


def input_fields(position: int, item: Any) -> dict[str, Any]:
    """Returns an input of `Predictor.predict` as an example holds it: a path, a file's bytes, or samples and rate.

    Raises:
        DataError: it is none of these.
    """
    try:
        source = audio_source(item, None)
    except TypeError:
        source = {}
    if not source:
        raise DataError(
            f"inputs, item {position}: expected the path of a recording, the bytes of its file, or "
            f'{{"array": ..., "sampling_rate": ...}}, got {str(item)[:60]!r}.'
        )
    return {"id": position, "name": audio_name(item, position), **source, "line": position}


def tone_fields(position: int) -> dict[str, Any]:
    """Returns a made-up tone as an example holds it; tones differ in length and pitch."""
    times = np.arange(PROBE_RATE // 2 * (1 + position % 4)) / PROBE_RATE
    tone = 0.1 * np.sin(2 * np.pi * PROBE_PITCH * (1 + position % 5) * times)
    content = wav_bytes(tone.astype(np.float32), PROBE_RATE)
    return {"id": position, "name": f"tone {position}", "content": content, "line": position}


def lengthened(example: ExampleT, length: int) -> ExampleT:
    """Returns a recording so often repeated that it has so many positions."""
    samples = read_audio(example, PROBE_RATE)
    wanted = math.ceil(length * SECONDS_A_POSITION * PROBE_RATE)
    content = wav_bytes(np.resize(samples, max(wanted, len(samples))), PROBE_RATE)
    return replace(example, path=None, content=content, start=None, end=None)
