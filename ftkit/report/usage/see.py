"""Images are given one label, several labels or a number."""

from __future__ import annotations

import os
from typing import Literal

from ftkit.data.images import ImageExample
from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import Processor, load_lines, named, trusting
from ftkit.report.usage.usage import Usage

PROCESSOR = Processor("processor", "AutoImageProcessor")
PLACEHOLDER = "photo.jpg"


class SeeRecipe(Recipe):
    """How images are classified."""

    usage: Literal["see"] = "see"
    auto_class: AutoClass = "AutoModelForImageClassification"


def _inputs(example: ImageExample) -> tuple[str, ...]:
    """Returns the path from where the run was started; where that would show a place of the machine, the name."""
    is_relative = isinstance(example.image, str) and not os.path.isabs(example.image)
    return (str(example.image) if is_relative else example.name,)


def _photo(card: Card) -> str:
    return card.example.inputs[0] if card.example is not None and card.example.inputs else PLACEHOLDER


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    is_one_label = card.problem_type == "single_label_classification"
    return (_by_pipeline if card.method == "full" and is_one_label else _by_model)(card, name, is_folder)


def _by_pipeline(card: Card, name: str, is_folder: bool) -> list[str]:
    trust = trusting(card)
    return [
        "from transformers import AutoImageProcessor, pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f'processor = AutoImageProcessor.from_pretrained(run, backend="pil"{trust})  # as it was trained',
        f'classify = pipeline("image-classification", model=run, image_processor=processor{trust})',
        f"print(classify({literal(_photo(card))})[0])",
    ]


def _by_model(card: Card, name: str, is_folder: bool) -> list[str]:
    answer = {
        "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
        "regression": "logits.item()",
    }.get(card.problem_type, "model.config.id2label[logits.argmax().item()]")
    lines = load_lines(card, name, is_folder, processor=PROCESSOR)
    place = lines.index("")
    return [
        *lines[:place],
        "from transformers.image_utils import load_image",
        *(line.replace("AutoImageProcessor.from_pretrained(run", _WITH_PILLOW) for line in lines[place:]),
        "",
        f'inputs = processor(load_image({literal(_photo(card))}), return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({answer})",
    ]


_WITH_PILLOW = 'AutoImageProcessor.from_pretrained(run, backend="pil"'


def _note(card: Card) -> str:
    if card.problem_type == "multi_label_classification":
        return "Each label comes with a probability of its own; those from 0.5 on are the prediction."
    return ""


USAGE = Usage(
    recipe=SeeRecipe,
    inputs=_inputs,
    code=_code,
    arguments=lambda card: f"--input {shell_word(_photo(card))}",
    files=("photos", "predictions.jsonl"),
    note=_note,
)
