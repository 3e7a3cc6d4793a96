"""Images with boxes drawn into them, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.data.boxes import DetectionExample, Numbers
from ftkit.data.images import open_image
from ftkit.data.picture_sheet import SIDE, picture_sheet

if TYPE_CHECKING:
    from PIL import Image

TRUTH, PREDICTED, IGNORED = "#00795a", "#d55e00", "#5b6673"
"""Green, vermilion and grey, told apart by every kind of colour vision."""

SURE = 0.5
"""The score from which people are shown a prediction."""

Drawn = tuple[str, Numbers, str]
"""What is written at a box, the box, its colour."""


def with_boxes(image: Image.Image, boxes: Iterable[Drawn], *, side: int = SIDE) -> Image.Image:
    """Returns a copy, at most `side` pixels wide and high, with boxes and what is in them."""
    from PIL import ImageDraw, ImageFont

    copy = image.copy()
    copy.thumbnail((side, side))
    scale_x, scale_y = copy.width / image.width, copy.height / image.height
    drawing, width = ImageDraw.Draw(copy), max(2, max(copy.size) // SIDE)
    font = ImageFont.load_default(5 * width)
    for text, (left, top, right, bottom), colour in boxes:
        corners = (left * scale_x, top * scale_y, max(right, left) * scale_x, max(bottom, top) * scale_y)
        drawing.rectangle(corners, outline=colour, width=width)
        if text:
            place = (corners[0] + width, corners[1] + width)
            drawing.text(place, text.encode("latin-1", "replace").decode("latin-1"), colour, font)
    return copy


def truth_of(example: DetectionExample) -> list[Drawn]:
    """Returns the boxes of an example; those that are ignored are grey."""
    return [(box.label, box.numbers, IGNORED if box.ignored else TRUTH) for box in example.boxes or ()]


def sheet(examples: Sequence[DetectionExample], data: Any) -> Image.Image:
    """Returns the images of examples beside and below one another, with their boxes and names."""
    return picture_sheet(
        [
            (f"{one.name}: {len(one.boxes or ())} boxes", with_boxes(open_image(one.image, one.name), truth_of(one)))
            for one in examples
        ]
    )
