"""Reads CoNLL-U, the format of Universal Dependencies: ten columns for each word, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.errors import DataError
from ftkit.types import Row

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
UNSPECIFIED = "_"
_WRITTEN_AS_IT_IS = ("id", "form", "lemma")
"""Columns where an underscore is a word: the form and lemma of `_` itself."""

_WORD = re.compile(r"[0-9]+")
_NO_WORD = re.compile(r"[0-9]+[-.][0-9]+")
_SENT_ID = re.compile(r"#\s*sent_id\s*=\s*(.*)")

Word = list[str]


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file of CoNLL-U.

    A row is a sentence, and `Row.line` is the line of its first word. The columns are `tokens` (the forms), `tags`
    (the universal parts of speech), each of the ten by its own name in lower case, and `sent_id`:
    `data.columns: {tags: xpos}` reads the parts of speech of the language. What is left open (`_`) is None.

    Words are the syntactic ones. `2-3 im` before `2 in` and `3 dem` is how the two are written together, and `8.1` is
    a word that is not written: neither is a word here.

    Raises:
        DataError: a line without ten columns between tabs or without a word, a number that is none, or no words.
    """

    def rows() -> Iterator[Row]:
        for line, sentence, words in _sentences(path, options):
            columns = {name: [_cell(name, word[place]) for word in words] for place, name in enumerate(COLUMNS)}
            yield Row({"tokens": columns["form"], "tags": columns["upos"], **columns, "sent_id": sentence}, line)

    table = Table(str(path), ("tokens", "tags", *COLUMNS, "sent_id"), RowStream(rows))
    first_row(table.source, table.rows, empty="it has no words")
    return table


def _cell(name: str, cell: str) -> Any:
    return None if cell == UNSPECIFIED and name not in _WRITTEN_AS_IT_IS else cell


def _sentences(path: Path, options: ReadOptions) -> Iterator[tuple[int, str | None, list[Word]]]:
    """Yields the line of the first word, the sentence's id and its words."""
    first, sentence = 0, None
    words: list[Word] = []
    for number, line in enumerate(read_lines(path, options), 1):
        line = without_line_end(line)
        if not line.strip():
            if words:
                yield first, sentence, words
            sentence, words = None, []
        elif line.startswith("#"):
            match = _SENT_ID.match(line)
            sentence = match[1].strip() if match else sentence
        elif (word := _word(path, number, line)) is not None:
            first = first if words else number
            words.append(word)
    if words:
        yield first, sentence, words


def _word(path: Path, number: int, line: str) -> Word | None:
    """Returns the ten cells of a word; None for a line that is no syntactic word."""
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise DataError(
            f"{path}, line {number}: {len(cells)} columns between tabs, but CoNLL-U has {len(COLUMNS)}: "
            f"{line[:80]!r}.\nFix: write {' '.join(COLUMNS).upper()} between tabs, with {UNSPECIFIED} where one is "
            "left open; name a file of a word and its tag a line .conll."
        )
    if _NO_WORD.fullmatch(cells[0]):
        return None
    if not _WORD.fullmatch(cells[0]) or not cells[1]:
        what = f"the number of the word is {cells[0]!r}" if cells[1] else "the word is empty"
        raise DataError(
            f"{path}, line {number}: {what}.\nFix: number the words of each sentence from 1 and write each form."
        )
    return cells
