"""A shard: a part of a stream that is read from its beginning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ftkit.data.readers.table import Table


@dataclass(frozen=True)
class Shard:
    """A part of a stream that is read from its beginning.

    Attributes:
        name: that messages show.
        fingerprint: what tells it from others without reading all of it.
        num_bytes: as it lies on disk; 0 where nobody knows.
        open: opens it; the rows are read as they are asked for.
    """

    name: str
    fingerprint: str
    num_bytes: int
    open: Callable[[], Table]
