"""Tables with a word a row -> tables with a sentence a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ftkit.data.cells import shown, single
from ftkit.data.readers import Table
from ftkit.data.readers.table import RowStream
from ftkit.errors import DataError
from ftkit.types import Row


def join_words(table: Table, sentence: str, *, kept: Collection[str] = ()) -> Table:
    """Returns a table whose cells are lists, one item for each word; `Row.line` is that of the first word.

    A sentence ends where the cell of its column changes. An empty cell belongs to the sentence before it, as where a
    spreadsheet names the sentence at its first word alone:

    | Sentence #  | Word | Tag   |
    |-------------|------|-------|
    | Sentence: 1 | Anna | B-PER |
    |             | left | O     |
    | Sentence: 2 | Why  | O     |

    is `Anna left` with `B-PER O`, then `Why` with `O`.

    Args:
        table: a word a row.
        sentence: the column that says which sentence a word belongs to.
        kept: other columns that say something of the whole sentence: their first cell is taken.

    Raises:
        DataError: while rows are read, at a first word without a sentence, and at a sentence that goes on after
            another.
    """

    def rows() -> Iterator[Row]:
        seen: set[Any] = set()
        current: Any = None
        words: list[Row] = []
        for row in table.rows:
            name = single(row.values.get(sentence))
            if name is None or name == "":
                name = current
            if name is None:
                raise _no_sentence(table, sentence, row)
            if name != current:
                if words:
                    yield _joined(words, {sentence, *kept})
                if name in seen:
                    raise _in_pieces(table, sentence, name, row)
                seen.add(name)
                current, words = name, []
            words.append(row)
        if words:
            yield _joined(words, {sentence, *kept})

    return Table(table.source, table.columns, RowStream(rows), table.hint, table.folder)


def _joined(words: list[Row], kept: Collection[str]) -> Row:
    first = words[0]
    values = {
        name: cell if name in kept else [word.values.get(name) for word in words]
        for name, cell in first.values.items()
    }
    return Row(values, first.line)


def _no_sentence(table: Table, sentence: str, row: Row) -> DataError:
    return DataError(
        f"{table.source}, line {row.line}: column {sentence!r} (data.sentence_column) is empty at the first word.\n"
        "Fix: fill it in at the first word of each sentence."
    )


def _in_pieces(table: Table, sentence: str, name: Any, row: Row) -> DataError:
    return DataError(
        f"{table.source}, line {row.line}: the sentence {shown(name)} of column {sentence!r} goes on after another.\n"
        "Fix: put the rows of each sentence together, in their order; number sentences through all documents."
    )
