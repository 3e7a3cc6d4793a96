"""Reads CoNLL columns: one word a line with its tag, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.errors import DataError
from ftkit.types import Row

DOCUMENT_START = "-DOCSTART-"
_SPACES = re.compile(r"[ \t]+")
# A byte order mark that was left in the middle when files were put together shows nothing and says nothing.
_BLANK = " \t\r\n\f\v\ufeff"

Line = tuple[int, list[str]]


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file of words in columns: the word first, its tag last.

    A row is a sentence, and `Row.line` is the line of its first word. The columns are `tokens` and `tags` (the
    first and the last), and each column by its number, from 0: for CoNLL-2003, `data.columns: {tags: "1"}` reads the
    parts of speech.

    Columns lie between tabs if the first word's line has one, else between runs of spaces. No line is a word that
    is blank (tabs and spaces included), begins with `-DOCSTART-`, or is a comment: `# `, before a sentence, with
    another number of columns than words have (`#nfl<TAB>O` is a word).

    Raises:
        DataError: a word without a tag, a line with more or fewer columns than the first, or no words.
    """
    delimiter = _delimiter(path, options)
    num_columns = _num_columns(path, options, delimiter)

    def rows() -> Iterator[Row]:
        for sentence in _sentences(path, options, delimiter, num_columns):
            yield Row(_columns(sentence, num_columns), sentence[0][0])

    names = ["tokens"] if num_columns == 1 else ["tokens", "tags"]
    table = Table(str(path), (*names, *map(str, range(num_columns))), RowStream(rows))
    first = first_row(table.source, table.rows, empty="it has no words")
    between = next((mark for mark in ",;|" if num_columns == 1 and mark in first.values["tokens"][0]), None)
    if between is None:
        return table
    return replace(table, hint=f'The lines have one column, with "{between}" in it. Fix: data.delimiter: "{between}"')


def _columns(sentence: list[Line], num_columns: int) -> dict[str, Any]:
    columns = [[cells[column] for _, cells in sentence] for column in range(num_columns)]
    named = {"tokens": columns[0]} if num_columns == 1 else {"tokens": columns[0], "tags": columns[-1]}
    return named | {str(number): column for number, column in enumerate(columns)}


def _delimiter(path: Path, options: ReadOptions) -> str | None:
    """Returns what the user declared, else a tab or None (runs of spaces), by the first line that can be a word's."""
    if options.delimiter is not None:
        return None if options.delimiter == " " else options.delimiter
    for line in read_lines(path, options):
        if not _is_blank(line) and not _is_document_start(line) and not line.startswith("#"):
            return "\t" if "\t" in line.strip(_BLANK) else None
    return "\t"


def _num_columns(path: Path, options: ReadOptions, delimiter: str | None) -> int:
    """Returns the columns of the first line that is surely a word's; with no such line, of the first at all."""
    first = 0
    for line in read_lines(path, options):
        if _is_blank(line) or _is_document_start(line):
            continue
        count = len(_cells(line, delimiter))
        if not line.startswith("#"):
            return count
        first = first or count
    return first or 1


def _sentences(path: Path, options: ReadOptions, delimiter: str | None, num_columns: int) -> Iterator[list[Line]]:
    sentence: list[Line] = []
    for number, line in enumerate(read_lines(path, options), 1):
        if _is_blank(line) or _is_document_start(line):
            if sentence:
                yield sentence
            sentence = []
            continue
        cells = _cells(line, delimiter)
        if len(cells) != num_columns:
            if not sentence and _looks_like_comment(line):
                continue
            raise _wrong_line(path, number, cells, num_columns, delimiter)
        if not cells[0]:
            raise DataError(f"{path}, line {number}: the word is empty.\nFix: write the word before the first tab.")
        sentence.append((number, cells))
    if sentence:
        yield sentence


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return _SPACES.split(line.strip(_BLANK))
    # A tag is never empty, so what follows the last one is a slip of the editor.
    cells = [cell.strip(" ") if place else cell for place, cell in enumerate(without_line_end(line).split(delimiter))]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def _is_blank(line: str) -> bool:
    return not line.strip(_BLANK)


def _is_document_start(line: str) -> bool:
    return line.startswith(DOCUMENT_START)


def _looks_like_comment(line: str) -> bool:
    return line.startswith("#") and (len(line) == 1 or line[1].isspace())


def _wrong_line(path: Path, number: int, cells: list[str], num_columns: int, delimiter: str | None) -> DataError:
    where, between = f"{path}, line {number}", "tabs" if delimiter == "\t" else "spaces"
    if len(cells) == 1 and num_columns > 1:
        hint = " A comment begins with '# ' and stands before a sentence." if cells[0].startswith("#") else ""
        return DataError(
            f"{where}: the word {cells[0]!r} has no tag.\n"
            f"Fix: write its tag after it, as on the other lines ({num_columns} columns between {between}); O if it "
            f"belongs to no entity.{hint}"
        )
    return DataError(
        f"{where}: {len(cells)} columns between {between}, but the lines before have {num_columns}: "
        f"{' | '.join(cells)[:80]!r}.\nFix: give every word the same columns; if the columns lie between something "
        'else, say which: data.delimiter: " ".'
    )
