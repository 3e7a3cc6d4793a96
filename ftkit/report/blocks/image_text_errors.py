"""Images about which something else was written than expected, seen small, with what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ftkit.data.image_text import ImageTextExample
from ftkit.errors import DataError
from ftkit.metrics.normalized_answers import normalized
from ftkit.metrics.rouge import rouge
from ftkit.metrics.translation import texts_of
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import worst_rows
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.texts import MAX_LABEL, score_text, shorten, source_name
from ftkit.report.thumbnails import thumbnail_uri
from ftkit.report.values import BlockValues, Thumbnail

_MAX_TEXT = 300


@dataclass(frozen=True)
class ImageTextError:
    """A row whose text is not as expected.

    Attributes:
        name: of the image; None where the users' data are left out, as are thumbnail and texts.
        thumbnail: of the first image; None also where it cannot be opened any more.
        weight: ROUGE-L against the closest expected text.
    """

    name: str | None
    thumbnail: Thumbnail
    question: str | None
    expected: str | None
    predicted: str | None
    weight: str


class ImageTextErrors(BlockValues):
    """The worst errors."""

    caption: str
    rows: tuple[ImageTextError, ...]

    def without_texts(self) -> ImageTextErrors:
        """Returns the scores alone."""
        rows = tuple(ImageTextError(None, None, None, None, None, row.weight) for row in self.rows)
        return self.model_copy(update={"rows": rows})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    weights = np.array([_distance(*pair) for pair in zip(split.predictions, split.references, strict=True)])
    rows = [_error(split, row, float(weights[row])) for row in worst_rows(weights)]
    num_errors = int((weights >= 0).sum())
    source = source_name(split.split.source)
    caption = (
        f"{len(rows)} of {num_errors:,} rows of {source} whose text is not as expected (case, punctuation and "
        "articles aside), those with the least in common first."
    )
    return {"caption": caption, "rows": rows}


def _distance(text: str, references: str | tuple[str, ...]) -> float:
    """Returns how far a text is from the closest reference, 0 to 1; -1 where it is one of them."""
    expected = texts_of(references)
    if normalized(text) in set(map(normalized, expected)):
        return -1.0
    return 1 - rouge(text, expected).rougeL


def _error(split: EvaluatedSplit, row: int, weight: float) -> ImageTextError:
    example: ImageTextExample = split.split.examples[row]
    return ImageTextError(
        name=shorten(", ".join(example.names), MAX_LABEL),
        thumbnail=_thumbnail(example),
        question=shorten(example.question, _MAX_TEXT),
        expected=shorten(" / ".join(dict.fromkeys(texts_of(split.references[row]))), _MAX_TEXT),
        predicted=shorten(split.predictions[row], _MAX_TEXT) or "(nothing)",
        weight=score_text(1 - weight),
    )


def _thumbnail(example: ImageTextExample) -> str | None:
    try:
        return thumbnail_uri(example.image, example.name)
    except DataError:
        return None


BLOCK = Block(values=_values, model=ImageTextErrors, template="image_text_errors.html")
