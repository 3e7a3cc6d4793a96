"""Images are given one label, several labels or a number."""

from __future__ import annotations

from typing import Literal

from ftkit.data.images import ImageExample
from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.labels import label_lines, label_note, needs_logits
from ftkit.report.usage.loading import Processor, load_lines, named, trusting
from ftkit.report.usage.usage import Usage, file_input

PROCESSOR = Processor(
    "processor",
    "AutoImageProcessor",
    arguments=', backend="pil"',
    imports=("from transformers.image_utils import load_image",),
)

PLACEHOLDER = "photo.jpg"


class SeeRecipe(Recipe):
    """How images are labelled."""

    usage: Literal["see"] = "see"
    auto_class: AutoClass = "AutoModelForImageClassification"


def image_inputs(example: ImageExample) -> tuple[str, ...]:
    """Returns the path of an image, or its name."""
    return (file_input(example.image, example.name, PLACEHOLDER),)


def photo(card: Card) -> str:
    """Returns the path of the card's example, else of any photo."""
    return card.example.inputs[0] if card.example is not None and card.example.inputs else PLACEHOLDER


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    if card.method == "full" and not needs_logits(card):  # transformers' pipeline gives shares that sum to 1
        return _by_pipeline(card, name, is_folder)
    return [
        *load_lines(card, name, is_folder, processor=PROCESSOR),
        "",
        f'inputs = processor(load_image({literal(photo(card))}), return_tensors="pt")',
        *label_lines(card),
    ]


def _by_pipeline(card: Card, name: str, is_folder: bool) -> list[str]:
    trust = trusting(card)
    return [
        "from transformers import AutoImageProcessor, pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f"processor = AutoImageProcessor.from_pretrained(run{PROCESSOR.arguments}{trust})",
        f'classify = pipeline("image-classification", model=run, image_processor=processor{trust})',
        f"print(classify({literal(photo(card))})[0])",
    ]


USAGE = Usage(
    recipe=SeeRecipe,
    inputs=image_inputs,
    code=_code,
    arguments=lambda card: f"--input {shell_word(photo(card))}",
    files=("photos/", "predictions.jsonl"),
    note=label_note,
)
