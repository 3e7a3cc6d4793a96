"""Boxes with labels are found in images."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import load_lines
from ftkit.report.usage.see import PROCESSOR, image_inputs, photo
from ftkit.report.usage.usage import Usage


class DetectRecipe(Recipe):
    """How boxes are found."""

    usage: Literal["detect"] = "detect"
    auto_class: AutoClass = "AutoModelForObjectDetection"


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    return [
        *load_lines(card, name, is_folder, processor=PROCESSOR),
        "",
        f"image = load_image({literal(photo(card))})",
        'pixels = processor(image, return_tensors="pt")["pixel_values"]',
        "with torch.no_grad():",
        "    outputs = model(pixel_values=pixels)",
        "sizes = [(image.height, image.width)]",
        "found = processor.post_process_object_detection(outputs, threshold=0.5, target_sizes=sizes)[0]",
        'for score, label, box in zip(found["scores"], found["labels"], found["boxes"]):',
        "    print(model.config.id2label[label.item()], round(score.item(), 3), box.tolist())",
    ]


USAGE = Usage(
    recipe=DetectRecipe,
    inputs=image_inputs,
    code=_code,
    arguments=lambda card: f"--input {shell_word(photo(card))}",
    files=("photos/", "predictions.jsonl"),
    note=lambda card: "A box is left, top, right and bottom in pixels of the upright image.",
)
