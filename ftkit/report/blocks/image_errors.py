"""The images whose wrong label the model was surest of, as small pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ftkit.errors import DataError
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import ErrorRow, ErrorTable, worst_rows
from ftkit.report.blocks.label_errors import error_confidences, label_errors
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.thumbnails import thumbnail_uri
from ftkit.report.values import Thumbnail


@dataclass(frozen=True)
class ImageRow(ErrorRow):
    """An image that was labelled wrong.

    Attributes:
        thumbnail: None where it cannot be opened any more, or is left out.
    """

    thumbnail: Thumbnail = None

    def without_texts(self) -> ImageRow:
        """Returns the row with its line, weight and labels alone."""
        return replace(
            self, id=None, texts=(), expected=self.expected_labels, predicted=self.predicted_labels, thumbnail=None
        )


class ImageErrors(ErrorTable):
    """The worst errors."""

    rows: tuple[ImageRow, ...]


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    values = label_errors(content, split)
    examples = [split.split.examples[row] for row in worst_rows(error_confidences(split))]
    pictures = (_thumbnail(example) for example in examples)
    rows = [ImageRow(**vars(row), thumbnail=url) for row, url in zip(values["rows"], pictures, strict=True)]
    return {**values, "rows": rows}


def _thumbnail(example: Any) -> str | None:
    try:
        return thumbnail_uri(example.image, example.name)
    except DataError:  # it was there when the run began; a report is not to fail for it
        return None


BLOCK = Block(values=_values, model=ImageErrors, template="image_errors.html")
