"""Automatic speech recognition: a recording, or a segment of one, and what is said in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.audio_check import check_readable, check_recordings
from ftkit.data.check import Problems
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import DataSpec
from ftkit.data.speech import SpeechExample
from ftkit.data.speech_check import check_transcripts, described
from ftkit.kinds import recordings
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.table import GROUPS
from ftkit.metrics.transcripts import Form
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

# What data sets call the two columns; the first is the role's own name.
AUDIO_COLUMNS = ("audio", "file_name", "path", "audio_filepath", "file")
TEXT_COLUMNS = ("text", "transcription", "sentence", "transcript", "normalized_text")


class SpeechData(DataSpec):
    """The `data` section of speech recognition."""

    normalize: Form = Field(
        "basic",
        description="What is made of transcripts before they are compared: none, basic (small letters, no "
        "punctuation), or english (also digits for numbers and contractions written out, as Whisper is scored).",
    )
    target_form: Literal["as-written", "basic"] | None = Field(
        None,
        description="How transcripts are learnt. Default: as-written by models with a decoder and by CTC with the "
        "checkpoint's own vocabulary, basic by CTC with one made of the transcripts.",
    )
    language: str | None = Field(
        None, description="The language that is spoken, for checkpoints that are told one, such as de or german."
    )
    speech_task: Literal["transcribe", "translate"] | None = Field(
        None,
        description="What a multilingual Whisper writes: what is said, or its English translation. Default: "
        "transcribe.",
    )
    max_seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds that are heard at once: longer recordings are not trained on, and predicted in windows. "
        "Default: what the checkpoint hears at once, 30 where it has no limit.",
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
    table: Table, task: Task, columns: Mapping[str, str], data: SpeechData, *, with_labels: bool
) -> Iterator[SpeechExample]:
    """Turns rows into examples one by one; no file is opened here, `check` does that.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their transcripts may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        columns = _found_columns(table, columns, with_labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        fields = recordings.fields_of(cells, table, position, row.line)
        text = cells.text("text") if with_labels else None
        yield SpeechExample(**fields, text=text, cell_errors=cells.errors)


def _found_columns(table: Table, columns: Mapping[str, str], with_labels: bool) -> dict[str, str]:
    """Returns role -> the column that the file has for it, under its own name or one that data sets use."""
    found = dict(columns)
    for role, names in (("audio", AUDIO_COLUMNS), ("text", TEXT_COLUMNS)):
        if role == "text" and not with_labels:
            continue
        # A name that the user has given is the only one.
        choices = names if columns[role] == names[0] else (columns[role],)
        match = next((name for name in choices if name in table.columns), None)
        if match is None:
            raise table.missing_column(columns[role], role=role)
        found[role] = match
    return found


def input_example(position: int, item: Any) -> SpeechExample:
    """Returns an input of `Predictor.predict` as an example; see `recordings.input_fields`."""
    return SpeechExample(**recordings.input_fields(position, item))


# --- checks -------------------------------------------------------------------------------------------------


def check(splits: Mapping[str, Split], labels: None, task: Task, data: SpeechData, problems: Problems) -> None:
    """Reports everything that is wrong with the recordings and transcripts of a run, by file and row."""
    check_recordings(splits, problems)
    check_transcripts(splits, problems)


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: SpeechData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here.
    """
    check_smoothing(settings.label_smoothing)
    return {
        **_of_data(data),
        "target_form": data.target_form,
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
    }


def _of_data(data: SpeechData) -> dict[str, Any]:
    return {
        "language": data.language,
        "speech_task": data.speech_task,
        "max_seconds": data.max_seconds,
        "overlap_seconds": data.overlap_seconds,
    }


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: SpeechData, where: str) -> Plain:
    """Returns what a recognizer is made with."""
    return Plain(labels=None, options={**_of_data(data), "generation": {"num_beams": 1}, "max_new_tokens": None})


def probe(position: int) -> SpeechExample:
    """Returns a made-up tone with a word for it; tones differ in length and pitch."""
    return SpeechExample(**recordings.tone_fields(position), text="tone")


KIND = Kind(
    name="automatic-speech-recognition",
    reads="audio",
    roles={
        "audio": Role(description="the recording: a path, or the bytes of a file", column="audio"),
        "text": Role(description="what is said in it", column="text"),
        **recordings.SEGMENT_ROLES,
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=SpeechData,
    settings=frozenset({"generation", "label_smoothing"}),
    generation={"num_beams": 1},
    read=read_examples,
    check=check,
    check_inputs=check_readable,
    describe=described,
    input_example=input_example,
    probe=probe,
    lengthened=recordings.lengthened,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "encoder-decoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.speech_to_text:SpeechToTextPreprocessor",
            objective="ftkit.adapters.objectives.transcripts:TranscriptGeneration",
            auto_class="AutoModelForSpeechSeq2Seq",
            usage="transcribe",
            peft_task=None,
            refuses=no_virtual_tokens("transformers' models of speech take no virtual tokens before what they hear"),
        ),
    },
    metrics=GROUPS["automatic-speech-recognition"],
    reading=lambda group: "transcript",
    blocks=lambda group: ("transcript-errors",),
)
