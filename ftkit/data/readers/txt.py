"""Reads txt: one text a line, in a column named `text`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.types import Row


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file of one text a line.

    A blank line between texts is a row with an empty text, so that row N stays line N and nothing
    shifts; blank lines at the end of the file are not rows.
    """

    def rows() -> Iterator[Row]:
        blank: list[Row] = []
        for number, line in enumerate(read_lines(path, options), 1):
            row = Row({"text": without_line_end(line)}, number)
            blank.append(row)
            if row.values["text"].strip():
                yield from blank
                blank.clear()

    table = Table(str(path), ("text",), RowStream(rows))
    first_row(table.source, table.rows, empty="it has no line with text")
    return table
