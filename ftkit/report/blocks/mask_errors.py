"""The images with the most wrong pixels: the image, the true mask and the predicted one, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from ftkit.data.drawn_masks import with_classes
from ftkit.data.images import open_image
from ftkit.errors import DataError
from ftkit.report.blocks.block import Block
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import MAX_LABEL, shorten, source_name
from ftkit.report.thumbnails import picture_uri
from ftkit.report.values import BlockValues, Thumbnail

if TYPE_CHECKING:
    from PIL import Image

MAX_IMAGES = 8
MOST_COMPARED = 2_000  # images whose masks are read to find the worst: some ten seconds
MAX_LEGEND = 30
SIDE = 192  # pixels: three beside one another fit on a page

HexColor = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


@dataclass(frozen=True)
class MaskError:
    """An image with wrong pixels.

    Attributes:
        name: None where the users' data are left out, as are the pictures.
        image: the pictures are None also where the image cannot be opened any more.
        wrong: the share of its pixels that are wrong.
    """

    name: str | None
    image: Thumbnail
    expected: Thumbnail
    predicted: Thumbnail
    wrong: str


@dataclass(frozen=True)
class Legend:
    """The colour of a class."""

    name: str
    color: HexColor


class MaskErrors(BlockValues):
    """The worst images."""

    caption: str
    legend: tuple[Legend, ...]
    rows: tuple[MaskError, ...]

    def without_texts(self) -> MaskErrors:
        """Returns the shares alone."""
        rows = tuple(replace(row, name=None, image=None, expected=None, predicted=None) for row in self.rows)
        return self.model_copy(update={"rows": rows})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    wrong = [_share_wrong(split, row) for row in range(min(len(split), MOST_COMPARED))]
    if not wrong:
        return None
    palette = split.references[0].classes.palette()
    worst = np.argsort(-np.asarray(wrong), kind="stable")[:MAX_IMAGES]
    rows = [_row(split, int(row), wrong[row], palette) for row in worst if wrong[row] > 0]
    among = f"the first {len(wrong):,}" if len(wrong) < len(split) else f"{len(wrong):,}"
    pairs = zip(content.label_names[:MAX_LEGEND], palette, strict=False)
    return {
        "caption": f"{len(rows)} of {among} images of {source_name(split.split.source)}, most wrong pixels first.",
        "legend": [Legend(shorten(name, MAX_LABEL), "#{:02x}{:02x}{:02x}".format(*color)) for name, color in pairs],
        "rows": rows,
    }


def _share_wrong(split: EvaluatedSplit, row: int) -> float:
    try:
        expected_HW = split.references[row].indices()
    except DataError:  # a file that has gone since it was scored
        return 0.0
    counts = expected_HW >= 0
    wrong = (expected_HW != split.predictions[row].indices()) & counts
    return float(np.count_nonzero(wrong) / max(int(np.count_nonzero(counts)), 1))


def _row(split: EvaluatedSplit, row: int, wrong: float, palette: list[tuple[int, int, int]]) -> MaskError:
    example, name = split.split.examples[row], shorten(split.split.examples[row].summary(), MAX_LABEL)
    try:
        image = open_image(example.image, example.name)
        masks = [split.references[row].indices(), split.predictions[row].indices()]
        expected, predicted = (with_classes(image, mask, palette) for mask in masks)
    except DataError:
        return MaskError(name, None, None, None, f"{wrong:.1%}")
    return MaskError(name, _small(image), _small(expected), _small(predicted), f"{wrong:.1%}")


def _small(picture: Image.Image) -> str:
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE))
    return picture_uri(picture)


BLOCK = Block(values=_values, model=MaskErrors, template="mask_errors.html")
