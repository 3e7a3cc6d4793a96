"""Pictures beside and below one another on one sheet, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SIDE = 320
"""Pixels of a picture's longer side."""

_COLUMNS, _GAP, _TITLE = 4, 8, 16  # pictures; pixels between them, and of the line above each


def picture_sheet(pictures: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Returns pictures of at most `SIDE` pixels with a title above each."""
    from PIL import Image, ImageDraw

    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    height = max(picture.height for _, picture in pictures) + _GAP + _TITLE
    made = Image.new("RGB", (columns * (SIDE + _GAP) + _GAP, rows * height + _GAP), "white")
    for place, (title, picture) in enumerate(pictures):
        left, top = _GAP + place % columns * (SIDE + _GAP), _GAP + place // columns * height
        ImageDraw.Draw(made).text((left, top), title.encode("latin-1", "replace").decode("latin-1")[:50], "black")
        made.paste(picture, (left, top + 14))
    return made
