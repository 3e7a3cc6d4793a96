"""A shard: a part of a stream that is read from its beginning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ftkit.data.readers.table import RowStream, Table
from ftkit.types import Row, ShardLine


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


def as_shard(table: Table, name: str) -> Table:
    """Returns a table whose rows know the shard that they come from."""

    def rows() -> Iterator[Row]:
        for row in table.rows:
            yield Row(row.values, ShardLine.of(row.line, name))

    return replace(table, rows=RowStream(rows), is_shard=True)
