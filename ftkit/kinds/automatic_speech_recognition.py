"""Automatic speech recognition: a recording, or a segment of one, and what is said in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ftkit.adapters.augmentation.audio import AudioAugment
from ftkit.adapters.augmentation.operation import options_of
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
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.transcripts import Form
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

# What data sets call the two columns; the first is the role's own name.
AUDIO_COLUMNS = ("audio", "file_name", "path", "audio_filepath", "file")
CLIP_COLUMN, CLIPS = "path", "clips"  # of Common Voice
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
        description="How transcripts are learnt. Default: as-written by models with a decoder, basic by CTC.",
    )
    language: str | None = Field(
        None, description="The language that is spoken, for checkpoints that are told one, such as de or german."
    )
    speech_task: Literal["transcribe", "translate"] | None = Field(
        None,
        description="What a multilingual Whisper writes: what is said, or its English translation. Default: "
        "transcribe.",
    )
    ctc_vocabulary: Literal["checkpoint", "transcripts"] | None = Field(
        None,
        description="Which characters a CTC model writes. Default: the checkpoint's own, if it was trained by CTC, "
        "else those of the transcripts of train.",
    )
    freeze_feature_encoder: bool = Field(
        True,
        description="Keep the convolutions of a CTC model, which read the waveform, as they were pretrained.",
    )
    augment: AudioAugment | None = Field(None, description="Random changes of training recordings. None unless set.")
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
        spellings = {"audio": AUDIO_COLUMNS, **({"text": TEXT_COLUMNS} if with_labels else {})}
        columns = table.found_columns(columns, spellings)
    folder = _clips(table, columns["audio"])
    for position, row in enumerate(table.rows):
        cells = RowCells(_with_segment(task.prepared(row.values)), columns)
        fields = recordings.fields_of(cells, table, position, row.line, folder=folder)
        text = cells.text("text") if with_labels else None
        yield SpeechExample(**fields, text=text, cell_errors=cells.errors)


def _clips(table: Table, column: str) -> Path | None:
    """Returns where the paths of Common Voice begin: in the folder `clips` beside its tables; None of other tables."""
    clips = None if table.folder is None else table.folder / CLIPS
    return clips if column == CLIP_COLUMN and clips is not None and clips.is_dir() else None


def _with_segment(cells: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the cells of a row with `start` and `end`, where it has NeMo's `offset` and `duration` instead.

    Example: an offset of 1.5 and a duration of 2.0 are a segment from 1.5 to 3.5 s. A duration without an offset is
    that of the file.
    """
    offset, duration = cells.get("offset"), cells.get("duration")
    if "start" in cells or offset in (None, "") or duration in (None, ""):
        return cells
    try:
        return {**cells, "start": float(offset), "end": float(offset) + float(duration)}
    except (TypeError, ValueError):
        return {**cells, "start": offset}  # told as no number of seconds


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
        "ctc_vocabulary": data.ctc_vocabulary,
        "freeze_feature_encoder": data.freeze_feature_encoder,
        "augment": options_of(data.augment),
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
    searches = {"generation": {"num_beams": 1}, "max_new_tokens": None} if spec.family == "encoder-decoder" else {}
    return Plain(labels=None, options={**_of_data(data), **searches})


def probe(position: int) -> SpeechExample:
    """Returns a made-up tone with a word for it; tones differ in length and pitch."""
    return SpeechExample(**recordings.tone_fields(position), text="tone")


_NO_VIRTUAL_TOKENS = no_virtual_tokens("transformers' models of speech take no virtual tokens before what they hear")

KIND = Kind(
    name="automatic-speech-recognition",
    reads="audio",
    roles={
        "audio": Role(description="the recording: a path, or the bytes of a file", column="audio"),
        "text": Role(description="what is said in it", column="text"),
        **recordings.SEGMENT_ROLES,
        "id": Role(description="the row's own id, kept in predictions", column="id"),
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
            refuses=_NO_VIRTUAL_TOKENS,
        ),
        "encoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.ctc:CtcPreprocessor",
            objective="ftkit.adapters.objectives.ctc:CtcObjective",
            auto_class="AutoModelForCTC",
            usage="transcribe",
            peft_task=None,
            refuses=_NO_VIRTUAL_TOKENS,
            unused={"generation": "a CTC model reads its transcripts off the frames, and searches for nothing."},
        ),
    },
    metrics=GROUPS["automatic-speech-recognition"],
    reading=lambda group: "transcript",
    blocks=lambda group: ("transcript-errors",),
)
