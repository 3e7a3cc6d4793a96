"""Audio classification: a recording, or a segment of one, and one label, several labels or a number."""

from __future__ import annotations

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
from ftkit.data.check import Problems, check_labels
from ftkit.data.readers import Table
from ftkit.errors import DataError
from ftkit.kinds import labelled
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.label_settings import group_of, saved_labels
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Row, Split

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
        DataError: a column is not in the file, or a cell holds no recording or no seconds.
    """
    if task.prepare is None:
        for role in ("audio", "label") if with_labels else ("audio",):
            if columns[role] not in table.columns:
                raise table.missing_column(columns[role], role=role)
    for position, row in enumerate(table.rows):
        try:
            yield _example(position, row, task.prepared(row.values), columns, data, table.folder, task, with_labels)
        except (TypeError, ValueError) as error:
            raise DataError(f"{table.source}, line {row.line}: {error}.") from None


def _example(
    position: int,
    row: Row,
    cells: Mapping[str, Any],
    columns: Mapping[str, str],
    data: AudioClassificationData,
    folder: Path | None,
    task: Task,
    with_labels: bool,
) -> AudioExample:
    audio = cells.get(columns["audio"])
    name = audio_name(audio, position)
    id_cell = cells.get(columns["id"]) if "id" in columns else None
    label = cells.get(columns["label"]) if with_labels else None
    return AudioExample(
        id=(position if row.line else name) if id_cell is None else id_cell,
        name=name,
        **audio_source(audio, folder),
        start=_seconds(cells, columns, "start"),
        end=_seconds(cells, columns, "end"),
        label=labelled.to_label(label, labelled.problem_type_of(task, data), data.label_separator)
        if with_labels
        else None,
        line=row.line,
        group=group_of(cells, columns),
    )


def _seconds(cells: Mapping[str, Any], columns: Mapping[str, str], role: str) -> float | None:
    """Returns where a segment starts or ends; None where the row does not say.

    Raises:
        ValueError: the cell holds something else.
    """
    cell = cells.get(columns[role])
    if cell is None or cell == "":
        return None
    try:
        seconds = float(cell)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{role} is in seconds, such as 1.5; got {cell!r} (column {columns[role]!r})")
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
        "label": Role(description="what is to be predicted", column="label"),
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
