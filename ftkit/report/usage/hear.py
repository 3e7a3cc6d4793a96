"""Recordings are given one label, several labels or a number."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.labels import label_lines
from ftkit.report.usage.loading import Processor, load_lines
from ftkit.report.usage.usage import Usage, file_input

EXTRACTOR = Processor("extractor", "AutoFeatureExtractor")
PLACEHOLDER = "recording.wav"


class HearRecipe(Recipe):
    """How recordings are labelled.

    Attributes:
        seconds: what is read at once; of longer recordings ftkit averages the scores of windows.
    """

    usage: Literal["hear"] = "hear"
    auto_class: AutoClass = "AutoModelForAudioClassification"
    seconds: float = 30.0


def _recording(card: Card) -> str:
    return card.example.inputs[0] if card.example is not None and card.example.inputs else PLACEHOLDER


def _seconds(card: Card) -> float:
    assert isinstance(card.recipe, HearRecipe)
    return card.recipe.seconds


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns lines that decode with soundfile: transformers' own pipeline would ask for FFmpeg."""
    head, *rest = load_lines(card, name, is_folder, processor=EXTRACTOR)
    place = rest.index("")
    return [
        head,
        *rest[:place],
        "from transformers.audio_utils import load_audio  # pip install soundfile soxr",
        *rest[place:],
        "",
        "rate = extractor.sampling_rate",
        f'samples = load_audio({literal(_recording(card))}, sampling_rate=rate, backend="soundfile")',
        f"samples = samples[: round({_seconds(card):g} * rate)]",
        'inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")',
        *label_lines(card),
    ]


def _note(card: Card) -> str:
    return (
        f"The code reads the first {_seconds(card):g} s of a recording. ftkit reads longer ones in windows, and "
        "averages their probabilities."
    )


USAGE = Usage(
    recipe=HearRecipe,
    inputs=lambda example: (file_input(example.path, example.name, PLACEHOLDER),),
    code=_code,
    arguments=lambda card: f"--input {shell_word(_recording(card))}",
    files=("recordings.csv", "predictions.jsonl"),
    note=_note,
)
