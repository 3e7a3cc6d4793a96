"""Each pixel of an image is given a class."""

from __future__ import annotations

from typing import Literal

from ftkit.report.escape import literal, shell_word
from ftkit.report.recipe import AutoClass, Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import load_lines
from ftkit.report.usage.see import PROCESSOR, image_inputs, photo
from ftkit.report.usage.usage import Usage


class SegmentRecipe(Recipe):
    """How the pixels of images are labelled."""

    usage: Literal["segment"] = "segment"
    auto_class: AutoClass = "AutoModelForSemanticSegmentation"


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    return [
        *load_lines(card, name, is_folder, processor=PROCESSOR),
        "",
        f"image = load_image({literal(photo(card))})",
        'inputs = processor(image, return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits",
        "# At the image's own size: (height, width) of class indices.",
        "size = (image.height, image.width)",
        'logits = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)',
        "mask = logits.argmax(dim=1)[0]",
        "for index, name in model.config.id2label.items():",
        '    print(name, f"{(mask == index).float().mean():.1%}")',
    ]


USAGE = Usage(
    recipe=SegmentRecipe,
    inputs=image_inputs,
    code=_code,
    arguments=lambda card: f"--input {shell_word(photo(card))}",
    files=("photos/", "masks.jsonl"),
    note=lambda card: (
        "It prints the share of each class. ftkit also writes masks: with `--output masks.jsonl` they lie in "
        "`masks_files/`, in the values of the masks that it was trained on."
    ),
)
