"""Reads two text files side by side: line N of the one belongs to line N of the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.errors import DataError
from ftkit.types import Row


def read(source: Path, target: Path, options: ReadOptions) -> Table:
    """Reads parallel text into the columns `source` and `target`.

    A blank line is an empty text, so that row N stays line N in both files; lines that are blank in both files at
    their end are not rows.

    Raises:
        DataError: one file has more lines than the other, neither has any, or both are the same.
    """
    if source == target:
        raise DataError(f"{source} is named both as source and as target. Name the file with the translations.")
    name = f"{source} | {target}"

    def rows() -> Iterator[Row]:
        blank: list[Row] = []
        # No name holds the open files: an error would remember it, and with it them.
        for number, (one, other) in enumerate(_pairs(source, target, options), 1):
            if one is None or other is None:
                _check_same_length(source, target, options)
                return  # the longer file has nothing but blank lines there
            blank.append(Row({"source": one, "target": other}, number))
            if one.strip() or other.strip():
                yield from blank
                blank.clear()

    first_row(name, rows(), empty="there is no line with text")
    _check_same_length(source, target, options)
    return Table(name, ("source", "target"), RowStream(rows))


def _pairs(source: Path, target: Path, options: ReadOptions) -> Iterator[tuple[str | None, str | None]]:
    return itertools.zip_longest(_lines(source, options), _lines(target, options))


def _lines(path: Path, options: ReadOptions) -> Iterator[str]:
    return (without_line_end(line) for line in read_lines(path, options))


def _check_same_length(source: Path, target: Path, options: ReadOptions) -> None:
    """Refuses files of different length, blank lines at their ends not counted."""
    counts = {path: _last_line_with_text(path, options) for path in (source, target)}
    (short, few), (long, many) = sorted(counts.items(), key=lambda item: item[1])
    if few == many or _num_lines(short, options) >= many:
        return
    raise DataError(
        f"{source} has {counts[source]:,} lines, {target} has {counts[target]:,}: parallel files need equally many. "
        f"{short} ends where {long}, line {few + 1:,} goes on: {_line(long, few + 1, options)[:60]!r}.\n"
        "Fix: find the line that is missing or broken in two; from there on every pair is wrong."
    )


def _last_line_with_text(path: Path, options: ReadOptions) -> int:
    return max((number for number, line in enumerate(_lines(path, options), 1) if line.strip()), default=0)


def _num_lines(path: Path, options: ReadOptions) -> int:
    return sum(1 for _ in _lines(path, options))


def _line(path: Path, number: int, options: ReadOptions) -> str:
    return next(itertools.islice(_lines(path, options), number - 1, None))
