"""The plain values that a report is made of: checked, for a report may come from a stranger."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from ftkit.report.safe_clip import is_safe_clip
from ftkit.report.safe_svg import is_safe_svg
from ftkit.report.safe_thumbnail import is_safe_thumbnail
from ftkit.report.texts import encodable


class Values(BaseModel):
    """Plain values, all of them checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _only_drawn(plots: Any) -> Any:
    return [plot for plot in plots if is_safe_svg(plot)] if isinstance(plots, (list, tuple)) else plots


Svg = Annotated[str | None, AfterValidator(lambda svg: svg if is_safe_svg(svg) else None)]
"""A drawing of ftkit; what is anything else is left out."""

Svgs = Annotated[tuple[str, ...], BeforeValidator(_only_drawn)]
"""Drawings of ftkit; what is anything else is left out."""

Thumbnail = Annotated[str | None, AfterValidator(lambda url: url if is_safe_thumbnail(url) else None)]
"""A small JPEG or PNG as a data URL, to stand in the `src` of an `img`; what is anything else is left out."""

Clip = Annotated[str | None, AfterValidator(lambda url: url if is_safe_clip(url) else None)]
"""A short MP3 as a data URL, to stand in the `src` of an `audio`; what is anything else is left out."""

Pairs = tuple[tuple[str, str], ...]
DataRows = tuple[tuple[str, str, str, str], ...]


class BlockValues(Values):
    """What one block of the page shows; each block has a model of its own.

    Attributes:
        block: its name in the table of blocks.
    """

    block: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be shown."""
        return False

    def without_texts(self) -> BlockValues:
        """Returns what can be shown to everybody: no text, picture or sound of the data, and no id."""
        return self


class ReadingFacts(Values):
    """What the card says of the predictions beside what every card says; a reading can have a model of its own.

    Attributes:
        reading: its name in the table of readings.
    """

    reading: str


def plain(value: Any) -> Any:
    """Returns values as they are after a trip to disk: texts that UTF-8 can hold."""
    if isinstance(value, str):
        return encodable(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return value
