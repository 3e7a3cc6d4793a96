"""What is said in recordings is written down, by a decoder or frame by frame."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import Processor, load_lines
from ftkit.report.usage.usage import Usage, file_input

PROCESSOR = Processor("processor", "AutoProcessor")
PLACEHOLDER = "recording.wav"


class TranscribeRecipe(Recipe):
    """How recordings are transcribed.

    Attributes:
        seconds: what is heard at once; longer recordings ftkit hears in windows.
        writes: whether a decoder writes the transcript; else it is read off the frames.
    """

    usage: Literal["transcribe"] = "transcribe"
    seconds: float = 30.0
    writes: bool = True


def _recipe(card: Card) -> TranscribeRecipe:
    assert isinstance(card.recipe, TranscribeRecipe)
    return card.recipe


def _recording(card: Card) -> str:
    return card.example.inputs[0] if card.example is not None and card.example.inputs else PLACEHOLDER


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns lines that decode with soundfile: transformers' own pipeline would ask for FFmpeg."""
    recipe = _recipe(card)
    head, *rest = load_lines(card, name, is_folder, processor=PROCESSOR, generates=recipe.writes)
    place = rest.index("")
    answer = "model.generate(**inputs)" if recipe.writes else "model(**inputs).logits.argmax(-1)"
    # A CTC tokenizer that skips special tokens skips the blanks, too: "hello" would become "helo".
    skipped = ", skip_special_tokens=True" if recipe.writes else ""
    return [
        head,
        *rest[:place],
        "from transformers.audio_utils import load_audio  # pip install soundfile soxr",
        *rest[place:],
        "",
        "rate = processor.feature_extractor.sampling_rate",
        f'samples = load_audio({literal(_recording(card))}, sampling_rate=rate, backend="soundfile")',
        f"samples = samples[: round({recipe.seconds:g} * rate)]",
        'inputs = processor(samples, sampling_rate=rate, return_tensors="pt")',
        "with torch.inference_mode():",
        f"    ids = {answer}",
        f"print(processor.batch_decode(ids{skipped})[0].strip())",
    ]


def _note(card: Card) -> str:
    return (
        f"The code hears the first {_recipe(card).seconds:g} s of a recording. ftkit hears longer ones in windows, "
        "and joins their transcripts."
    )


USAGE = Usage(
    recipe=TranscribeRecipe,
    inputs=lambda example: (file_input(example.path, example.name, PLACEHOLDER),),
    code=_code,
    arguments=lambda card: f"--input {shell_word(_recording(card))}",
    files=("recordings.csv", "predictions.jsonl"),
    note=_note,
)
