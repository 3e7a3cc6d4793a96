"""The images whose wrong label the model was surest of, seen small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.data.images import ImageExample
from ftkit.errors import DataError
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import worst_rows
from ftkit.report.blocks.label_errors import confidence_text, error_confidences
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.reading import find_reading
from ftkit.report.texts import MAX_LABEL, shorten, source_name
from ftkit.report.thumbnails import thumbnail_uri
from ftkit.report.values import BlockValues, Thumbnail


@dataclass(frozen=True)
class ImageError:
    """An image that the model got wrong.

    Attributes:
        name: such as `cat/1.jpg`; None where the users' data are left out, as is the thumbnail.
        thumbnail: None also where the image cannot be opened any more.
        weight: the confidence in the wrong label.
    """

    name: str | None
    thumbnail: Thumbnail
    expected: str
    predicted: str
    weight: str


class ImageErrors(BlockValues):
    """The worst errors."""

    caption: str
    rows: tuple[ImageError, ...]

    def without_texts(self) -> ImageErrors:
        """Returns the labels and confidences alone."""
        rows = tuple(replace(row, name=None, thumbnail=None) for row in self.rows)
        return self.model_copy(update={"rows": rows})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    confidences, answers = error_confidences(split), find_reading(content.reading).answers
    rows = []
    for row in worst_rows(confidences):
        example = split.split.examples[row]
        expected, predicted = answers(content, split, row)
        weight = confidence_text(split, float(confidences[row]))
        name = shorten(example.summary(), MAX_LABEL)
        rows.append(ImageError(name, _thumbnail(example), expected, predicted, weight))
    num_errors = int(np.count_nonzero(split.predictions != split.references))
    source = source_name(split.split.source)
    return {"caption": f"{len(rows)} of {num_errors:,} wrong images of {source}, the surest first.", "rows": rows}


def _thumbnail(example: ImageExample) -> str | None:
    try:
        return thumbnail_uri(example.image, example.name)
    except DataError:
        return None


BLOCK = Block(values=_values, model=ImageErrors, template="image_errors.html")
