"""Recordings are given one label, several labels or a number."""

from __future__ import annotations

from typing import Any, Literal

from ftkit.report.escape import literal, one_line, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.labels import label_lines, label_note
from ftkit.report.usage.loading import Processor, load_lines
from ftkit.report.usage.usage import Usage

_PROCESSOR = Processor(
    "extractor",
    "AutoFeatureExtractor",
    imports=("from transformers.audio_utils import load_audio",),
)


class HearRecipe(Recipe):
    """How recordings are labelled."""

    usage: Literal["hear"] = "hear"
    auto_class: AutoClass = "AutoModelForAudioClassification"


def _inputs(example: Any) -> tuple[str, ...]:
    return (example.summary(),)


def _recording(card: Card) -> str:
    return card.example.inputs[0] if card.example is not None and card.example.inputs else "recording.wav"


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns the lines that read a recording and label it; transformers' pipeline alone would ask for FFmpeg."""
    recording = literal(_recording(card))
    return [
        *load_lines(card, name, is_folder, processor=_PROCESSOR),
        "",
        "rate = extractor.sampling_rate",
        f'samples = load_audio({recording}, sampling_rate=rate, backend="soundfile")  # needs soxr, too',
        'inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")',
        *label_lines(card),
    ]


USAGE = Usage(
    recipe=HearRecipe,
    inputs=_inputs,
    code=_code,
    arguments=lambda card: f"--text {shell_word(one_line(_recording(card)))}",
    files=("recordings/", "predictions.jsonl"),
    note=label_note,
)
