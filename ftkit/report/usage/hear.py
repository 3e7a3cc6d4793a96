"""Recordings are given one label, several labels or a number."""

from __future__ import annotations

from typing import Any, Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import Processor, load_lines
from ftkit.report.usage.usage import Usage

PROCESSOR = Processor("extractor", "AutoFeatureExtractor")
PLACEHOLDER = "recording.wav"


class HearRecipe(Recipe):
    """How recordings are classified."""

    usage: Literal["hear"] = "hear"
    auto_class: AutoClass = "AutoModelForAudioClassification"


def _inputs(example: Any) -> tuple[str, ...]:
    return (example.summary(),)


def _recording(card: Card) -> str:
    return card.example.inputs[0] if card.example is not None and card.example.inputs else PLACEHOLDER


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns the lines that read a recording and label it; transformers' pipeline alone would ask for FFmpeg."""
    answer = {
        "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
        "regression": "logits.item()",
    }.get(card.problem_type, "model.config.id2label[logits.argmax().item()]")
    lines = load_lines(card, name, is_folder, processor=PROCESSOR)
    place, recording = lines.index(""), literal(_recording(card))
    return [
        *lines[:place],
        "from transformers.audio_utils import load_audio",
        *lines[place:],
        "",
        "rate = extractor.sampling_rate",
        f'samples = load_audio({recording}, sampling_rate=rate, backend="soundfile")  # needs soxr, too',
        'inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({answer})",
    ]


USAGE = Usage(
    recipe=HearRecipe,
    inputs=_inputs,
    code=_code,
    arguments=lambda card: f"--input {shell_word(_recording(card))}",
    files=("recordings.csv", "predictions.jsonl"),
)
