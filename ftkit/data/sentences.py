"""Tables with a word a row -> tables with a sentence a row; so are documents of a query put together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ftkit.data.cells import shown, single
from ftkit.data.readers import Table
from ftkit.data.readers.table import RowStream
from ftkit.errors import DataError
from ftkit.types import Row


@dataclass(frozen=True)
class Joined:
    """What messages call rows that are put together.

    Attributes:
        one: a row, such as a word.
        whole: what several of them make, such as a sentence.
        key: of the config, that names the column.
        order: what a user does where they are out of order.
    """

    one: str
    whole: str
    key: str
    order: str


WORDS = Joined("word", "sentence", "data.sentence_column", "number sentences through all documents")


def join_rows(table: Table, sentence: str, *, kept: Collection[str] = (), wording: Joined = WORDS) -> Table:
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
        wording: what rows and what they make are called.

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
                raise _no_whole(table, sentence, row, wording)
            if name != current:
                if words:
                    yield _joined(words, {sentence, *kept})
                if name in seen:
                    raise _in_pieces(table, sentence, name, row, wording)
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


def _no_whole(table: Table, column: str, row: Row, wording: Joined) -> DataError:
    return DataError(
        f"{table.source}, line {row.line}: column {column!r} ({wording.key}) is empty at the first {wording.one}.\n"
        f"Fix: fill it in at the first {wording.one} of each {wording.whole}."
    )


def _in_pieces(table: Table, column: str, name: Any, row: Row, wording: Joined) -> DataError:
    return DataError(
        f"{table.source}, line {row.line}: the {wording.whole} {shown(name)} of column {column!r} goes on after "
        f"another.\nFix: put the rows of each {wording.whole} together, in their order; {wording.order}."
    )
