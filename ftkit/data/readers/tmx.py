"""Reads TMX, the exchange format of translation memories: one column for each language, named by its code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ftkit.data.compression import open_binary
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.errors import DataError
from ftkit.types import Row

_CHUNK_BYTES = 1 << 16
_LANGUAGE_ATTRIBUTES = ("xml:lang", "lang")  # TMX 1.4, and files of before
# Inside a segment these hold the formatting codes of the original document, not its text.
_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a TMX file; `Row.line` is the line where the translation unit begins.

    XML says its own encoding, so `data.encoding` is not used. The columns are the languages of the first unit. Where
    a unit has several variants of a language, the first counts.

    Raises:
        DataError: it is no well-formed XML, no TMX, or holds no unit.
    """
    table = Table(str(path), (), RowStream(lambda: _rows(path)))
    first = first_row(table.source, table.rows, empty="it holds no translation unit (tu)")
    return Table(table.source, tuple(first.values), table.rows)


def _rows(path: Path) -> Iterator[Row]:
    units = _Units()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: units.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = units.end
    parser.CharacterDataHandler = units.text
    parser.EntityDeclHandler = lambda name, *_: _refuse_entity(path, name, parser.CurrentLineNumber)
    parser.SkippedEntityHandler = lambda name, *_: _refuse_entity(path, name, parser.CurrentLineNumber)
    with open_binary(path) as file:
        try:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk)
                yield from units.take()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DataError(
                f"{path}, line {error.lineno}, column {error.offset + 1}: not well-formed XML: "
                f"{expat.ErrorString(error.code)}.\nFix: export the file again, or repair it there."
            ) from None
    yield from units.take()
    if not units.is_tmx:
        raise DataError(f"{path} is no TMX: its outermost element is not <tmx>.")


def _refuse_entity(path: Path, name: str, line: int) -> None:
    """Refuses what stands for another text, or for another file.

    A few of them within one another stand for more than a memory holds, and one that is declared elsewhere for a text
    that nobody sees here.
    """
    raise DataError(
        f"{path}, line {line}: the entity {name!r}. Entities are not read, apart from XML's own (&amp; &lt; &gt; "
        "&quot; &apos;) and numbers (&#233;).\nFix: write the text itself, and remove the declaration."
    )


class _Units:
    """Collects translation units while the file is parsed."""

    def __init__(self) -> None:
        self.is_tmx = False
        self._done: list[Row] = []
        self._line = 0
        self._values: dict[str, Any] = {}
        self._language: str | None = None
        self._parts: list[str] | None = None
        self._codes = 0

    def take(self) -> list[Row]:
        """Returns the units that are complete, and forgets them."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        if name == "tmx":
            self.is_tmx = True
        elif name == "tu":
            self._values, self._line = {}, line
        elif name == "tuv":
            self._language = next((attributes[key] for key in _LANGUAGE_ATTRIBUTES if key in attributes), None)
        elif name == "seg":
            self._parts = []
        self._codes += name in _CODES

    def end(self, name: str) -> None:
        self._codes -= name in _CODES
        if name == "seg" and self._parts is not None:
            if self._language is not None:
                self._values.setdefault(self._language, "".join(self._parts))
            self._parts = None
        elif name == "tu" and self.is_tmx:
            self._done.append(Row(self._values, self._line))

    def text(self, text: str) -> None:
        if self._parts is not None and not self._codes:
            self._parts.append(text)
