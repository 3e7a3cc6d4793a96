"""Where right texts and images stand in a search both ways, and the images that find theirs last, seen small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.data.image_pairs import ImagePairExample
from ftkit.errors import DataError
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import worst_rows
from ftkit.report.blocks.plot import Plot, plot_values
from ftkit.report.blocks.rankings import drawn_ranks
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.image_search import ranks_of_split
from ftkit.report.texts import MAX_LABEL, MAX_TEXT, shorten, source_name
from ftkit.report.thumbnails import thumbnail_uri
from ftkit.report.values import BlockValues, Thumbnail


@dataclass(frozen=True)
class SearchError:
    """An image whose own text is not the nearest.

    Attributes:
        name: of the image; None where the users' data are left out, as are texts and pictures.
        thumbnail: None also where the image cannot be opened any more.
        expected: its text.
        found: the text that is nearest to it.
        found_thumbnail: an image that this text belongs to.
        rank: at which its own stands.
    """

    name: str | None
    thumbnail: Thumbnail
    expected: str | None
    found: str | None
    found_thumbnail: Thumbnail
    rank: int


class SearchErrors(BlockValues):
    """The worst searches."""

    caption: str
    rows: tuple[SearchError, ...]

    def without_texts(self) -> SearchErrors:
        """Returns the ranks alone."""
        bare: dict[str, Any] = {
            "name": None,
            "thumbnail": None,
            "expected": None,
            "found": None,
            "found_thumbnail": None,
        }
        return self.model_copy(update={"rows": tuple(replace(row, **bare) for row in self.rows)})


def _image_plot(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    images, _ = ranks_of_split(split)
    return plot_values(drawn_ranks(images.best, f"First right text on {split.name}", "text", name="image-search"))


def _text_plot(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    _, texts = ranks_of_split(split)
    return plot_values(drawn_ranks(texts.best, f"First right image on {split.name}", "image", name="text-search"))


def _errors(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    images, _ = ranks_of_split(split)
    weights = np.full(len(split), -1)
    weights[images.rows] = np.where(images.best > 1, images.best, -1)
    texts_RD = np.concatenate([vectors[1:] for vectors in split.predictions])
    owners = np.repeat(np.arange(len(split)), [len(vectors) - 1 for vectors in split.predictions])
    rows = [_row(split, row, int(weights[row]), texts_RD, owners) for row in worst_rows(weights)]
    caption = (
        f"{len(rows)} of {int((weights > 0).sum()):,} images of {source_name(split.split.source)} whose own text is "
        "not the nearest. Beside the text that was found stands an image that it belongs to."
    )
    return {"caption": caption, "rows": rows}


def _row(split: EvaluatedSplit, row: int, rank: int, texts_RD: np.ndarray, owners: np.ndarray) -> SearchError:
    example = split.split.examples[row]
    nearest = int((texts_RD @ split.predictions[row][0]).argmax())
    other = split.split.examples[owners[nearest]]
    text = other.texts[nearest - int(np.flatnonzero(owners == owners[nearest])[0])]
    return SearchError(
        shorten(example.name, MAX_LABEL),
        _thumbnail(example),
        shorten(example.texts[0], MAX_TEXT),
        shorten(text, MAX_TEXT),
        _thumbnail(other),
        rank,
    )


def _thumbnail(example: ImagePairExample) -> str | None:
    try:
        return thumbnail_uri(example.image, example.name)
    except DataError:
        return None


IMAGE_RANKS = Block(values=_image_plot, model=Plot, template="plot.html", is_half=True)
TEXT_RANKS = Block(values=_text_plot, model=Plot, template="plot.html", is_half=True)
ERRORS = Block(values=_errors, model=SearchErrors, template="image_searches.html")
