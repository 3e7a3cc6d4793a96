"""Exports of annotation tools -> tables with a column for each thing that was annotated.

Other tables stay as they are. What nobody has decided is left out of rows to learn from or to score, with a count.
"""

from __future__ import annotations

from collections.abc import Iterator

from ftkit.console import warn
from ftkit.data import label_studio, prodigy
from ftkit.data.readers import Table
from ftkit.data.readers.table import RowStream
from ftkit.types import Row

TOOLS = (label_studio, prodigy)
"""Modules with `recognises(table)`, `columns_of(table)`, `left_out(cells)` and `unfold(cells)`."""


def unfold_annotations(table: Table, *, with_labels: bool) -> Table:
    """Returns the table of an export: the data's own columns, and what was annotated in columns of its own.

    Args:
        table: any table.
        with_labels: False for rows that are only to be predicted: then none is left out.
    """
    tool = next((tool for tool in TOOLS if tool.recognises(table)), None)
    if tool is None:
        return table

    def rows() -> Iterator[Row]:
        counts: dict[str, int] = {}
        for row in table.rows:
            reason = tool.left_out(row.values) if with_labels else ""
            if reason:
                counts[reason] = counts.get(reason, 0) + 1
            else:
                yield Row(tool.unfold(row.values), row.line)
        if counts:
            told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            warn(f"{table.source}: rows that nobody has accepted are left out: {told}")

    return Table(table.source, tool.columns_of(table), RowStream(rows), table.hint, table.folder)
