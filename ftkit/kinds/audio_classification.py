"""Audio classification: a recording, or a segment of one, and one label, several labels or a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.audio import AudioAugment
from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.audio import AudioExample
from ftkit.data.audio_check import RECORDINGS, check_readable, check_recordings
from ftkit.data.check import Problems, check_labels
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.kinds import labelled, recordings
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Split


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
    augment: AudioAugment | None = Field(None, description="Random changes of training recordings. None unless set.")

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
        fields = recordings.fields_of(cells, table, position, row.line)
        label = None if labels is None else labelled.read_label(cells, labels)
        yield AudioExample(**fields, label=label, cell_errors=cells.errors)


def input_example(position: int, item: Any) -> AudioExample:
    """Returns an input of `Predictor.predict` as an example; see `recordings.input_fields`."""
    return AudioExample(**recordings.input_fields(position, item))


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
    options = labelled.adapter_options(train, labels, data, settings)
    return {**options, **windows, "augment": options_of(data.augment)}


def probe(position: int) -> AudioExample:
    """Returns a made-up tone without a label; tones differ in length and pitch."""
    return AudioExample(**recordings.tone_fields(position))


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
        **recordings.SEGMENT_ROLES,
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
    lengthened=recordings.lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=labelled.of_plain_checkpoint,
    task_adapters={"encoder": _TASK_ADAPTER, "encoder-decoder": _TASK_ADAPTER},
    metrics=labelled.metric_group,
    reading=labelled.reading,
    blocks=labelled.blocks,
)
