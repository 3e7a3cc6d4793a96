"""Audio classification: a recording, or a segment of one, and one label, several labels or a number."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.audio import AudioExample, audio_name, audio_source, read_audio, wav_bytes
from ftkit.data.audio_check import RECORDINGS, check_readable, check_recordings
from ftkit.data.cells import WrongCell, describe, single
from ftkit.data.check import Problems, check_labels
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError
from ftkit.kinds import labelled
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Split

NO_AUDIO: dict[str, Any] = {}
PROBE_RATE = 16_000
PROBE_PITCH = 220.0  # hertz
SECONDS_A_POSITION = 0.02  # of wav2vec2, HuBERT, WavLM and Whisper


class AudioClassificationData(labelled.LabelledData):
    """The `data` section of audio classification."""

    max_seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds that are read at once; longer recordings are read in windows, whose scores are averaged. "
        "Default: what the checkpoint reads at once, 15 where it has no limit.",
    )
    overlap_seconds: float | None = Field(
        None, ge=0, description="Seconds that windows of a long recording share. Default: a quarter of a window."
    )

    @property
    def media(self) -> str:
        """Rows name recordings."""
        return "audio"


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: AudioClassificationData, *, with_labels: bool
) -> Iterator[AudioExample]:
    """Turns rows into examples one by one; no file is opened here, `check` does that.

    A cell of the column `audio` holds a path, relative to the folder of the file that names it, or the bytes of an
    audio file, or both as `datasets` stores them.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their label column may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        roles = ("audio", "label") if with_labels else ("audio",)
        labelled.check_columns(table, columns, data, roles)
    labels = labelled.label_cells(task, data) if with_labels else None
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        name = audio_name(cells.get("audio"), position)
        yield AudioExample(
            id=cells.id(position if row.line else name),
            name=name,
            **cells.read("audio", functools.partial(_audio, folder=table.folder), NO_AUDIO),
            start=cells.read("start", _seconds, None),
            end=cells.read("end", _seconds, None),
            label=None if labels is None else labelled.read_label(cells, labels),
            line=row.line,
            group=cells.group(),
            cell_errors=cells.errors,
        )


def _audio(cell: Any, folder: Path | None) -> dict[str, Any]:
    cell = single(cell)
    try:
        return audio_source(cell, folder)
    except (TypeError, ValueError):
        raise WrongCell(describe(cell), "write the path of a recording, or the bytes of its file", cell=cell) from None


def _seconds(cell: Any) -> float | None:
    """Returns where a segment starts or ends; None where the row does not say."""
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


def input_example(position: int, item: Any) -> AudioExample:
    """Returns an input of `Predictor.predict` as an example: a path, a file's bytes, or samples with their rate.

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
    return AudioExample(id=position, name=audio_name(item, position), **source, line=position)


# --- checks -------------------------------------------------------------------------------------------------


def check(
    splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: AudioClassificationData, problems: Problems
) -> None:
    """Reports everything that is wrong with the recordings and labels of a run, by file and row."""
    check_recordings(splits, problems)
    check_labels(
        list(splits.values()),
        problem_type=labels.problem_type,
        declared=labelled.declared_labels(task, data),
        problems=problems,
        wording=RECORDINGS,
    )


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(
    train: Split, labels: LabelSpace, data: AudioClassificationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with: a weight per label, the smoothing, and how long recordings are read.

    Raises:
        ConfigError: a weight for a label that does not exist, or a setting that means nothing here.
    """
    windows = {"max_seconds": data.max_seconds, "overlap_seconds": data.overlap_seconds}
    return {**labelled.adapter_options(train, labels, data, settings), **windows}


def probe(position: int) -> AudioExample:
    """Returns a made-up tone without a label; tones differ in length and pitch."""
    times = np.arange(PROBE_RATE // 2 * (1 + position % 4)) / PROBE_RATE
    tone = 0.1 * np.sin(2 * np.pi * PROBE_PITCH * (1 + position % 5) * times)
    return AudioExample(
        id=position, name=f"tone {position}", content=wav_bytes(tone.astype(np.float32), PROBE_RATE), line=position
    )


def lengthened(example: AudioExample, length: int) -> AudioExample:
    """Returns a recording so often repeated that it has so many positions."""
    samples = read_audio(example, PROBE_RATE)
    wanted = math.ceil(length * SECONDS_A_POSITION * PROBE_RATE)
    content = wav_bytes(np.resize(samples, max(wanted, len(samples))), PROBE_RATE)
    return replace(example, path=None, content=content, start=None, end=None)


_TASK_ADAPTER = TaskAdapterSpec(
    preprocessor="ftkit.adapters.preprocessors.audio:AudioPreprocessor",
    objective="ftkit.adapters.objectives.audio_labels:AudioLabelObjective",
    auto_class="AutoModelForAudioClassification",
    usage="hear",
    peft_task=None,
    refuses=no_virtual_tokens("virtual tokens stand before texts, and a recording has no tokens"),
)

KIND = Kind(
    name="audio-classification",
    reads="audio",
    roles={
        "audio": Role(description="the path of the recording, or its bytes", column="audio"),
        "label": Role(description="what is to be predicted", column="label", several=True),
        "start": Role(description="where a segment starts in its recording, in seconds", column="start"),
        "end": Role(description="where a segment ends, in seconds", column="end"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=AudioClassificationData,
    settings=frozenset({"class_weights", "label_smoothing"}),
    read=read_examples,
    labels=labelled.labels_of,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_readable,
    check_known_labels=labelled.check_known_labels,
    input_example=input_example,
    probe=probe,
    lengthened=lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=labelled.of_plain_checkpoint,
    task_adapters={"encoder": _TASK_ADAPTER, "encoder-decoder": _TASK_ADAPTER},
    metrics=labelled.metric_group,
    reading=labelled.reading,
    blocks=labelled.blocks,
)
