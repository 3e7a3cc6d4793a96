"""Rows of train as they are, beside what the first epochs made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.adapters.preprocessor import Shown, Sound
from ftkit.report.blocks.block import Block
from ftkit.report.clips import sound_uri
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.svg import DARK, LIGHT
from ftkit.report.template import render
from ftkit.report.texts import MAX_LABEL, shorten
from ftkit.report.thumbnails import SHEET_SIDE, picture_uri
from ftkit.report.values import BlockValues, Clip, Thumbnail

if TYPE_CHECKING:
    from ftkit.runs.augmented_rows import AugmentedRow

MAX_TEXT = 400  # characters of a text


@dataclass(frozen=True)
class Version:
    """An example as it is, or changed: one of a picture, a recording and a text; none where it cannot be shown."""

    picture: Thumbnail = None
    clip: Clip = None
    text: str | None = None


@dataclass(frozen=True)
class Row:
    """A row: as it is, and then as the first epochs see it."""

    name: str
    versions: tuple[Version, ...]


class AugmentedRows(BlockValues):
    """Some rows of train."""

    caption: str
    rows: tuple[Row, ...]

    @property
    def is_empty(self) -> bool:
        """Whether all rows have been taken out."""
        return not self.rows

    def without_texts(self) -> AugmentedRows:
        """Returns nothing of the rows: they are the users' data."""
        return self.model_copy(update={"rows": ()})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any] | None:
    return sheet_values(content.augmented)


def sheet_values(rows: Sequence[AugmentedRow]) -> dict[str, Any] | None:
    """Returns what the block shows of rows; None of none."""
    if not rows:
        return None
    count = len(rows[0].changed)
    return {
        "caption": f"{len(rows)} rows of train, each as it is and as the first {count} epochs saw it.",
        "rows": [Row(shorten(row.name, MAX_LABEL), tuple(map(_version, (row.plain, *row.changed)))) for row in rows],
    }


def sheet_html(title: str, rows: Sequence[AugmentedRow]) -> str:
    """Returns a page of its own that shows rows, without scripts and without anything to load."""
    values = AugmentedRows.model_validate({"block": "augmentation", **(sheet_values(rows) or {})})
    return render("sheet.html", title=title, light=LIGHT, dark=DARK, b=values)


def _version(shown: Shown) -> Version:
    if isinstance(shown, str):
        return Version(text=shorten(shown, MAX_TEXT))
    if isinstance(shown, Sound):
        return Version(clip=sound_uri(shown.samples, shown.rate))
    small = shown.copy()
    small.thumbnail((SHEET_SIDE, SHEET_SIDE))
    return Version(picture=picture_uri(small))


BLOCK = Block(values=_values, model=AugmentedRows, template="augmentation.html")
