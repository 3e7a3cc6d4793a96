"""Reads json: one list of objects, or `{"data": [...]}`."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from ftkit.data.readers import jsonl
from ftkit.data.readers.json_values import RefusedJson, decode_value
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines, read_text
from ftkit.errors import DataError, name_list
from ftkit.types import Row

_SPACE = re.compile(r"[ \t\r\n]*")
_ROWS_KEY = "data"

_PANDAS = "; pandas writes it by to_json(PATH, orient='records')"
"""What is said where its other orientations are met: columns of cells, or lists."""


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a JSON document that is a list of objects, or an object with such a list under `data`.

    The whole text is held in memory (JSON lines is the format to stream); rows are parsed as they are
    asked for. The columns are the keys of the first row. `Row.line` is the line where an object
    begins, and the 1-based row number where they share one line.

    Raises:
        DataError: not valid JSON (with line and column), no list of objects, NaN or Infinity, a repeated
            key, or no rows.
    """
    if options.media is not None and _is_manifest(path, options):
        return jsonl.read(path, options)
    table = Table(str(path), (), RowStream(lambda: _rows(path, options)))
    first = first_row(table.source, table.rows, empty="it has no objects")
    return Table(table.source, tuple(first.values), table.rows)


def _is_manifest(path: Path, options: ReadOptions) -> bool:
    """Tells whether each line is an object, as in NeMo's lists of files, which are called manifest.json."""
    lines = [line.strip() for line in itertools.islice(read_lines(path, options), 2)]
    return len(lines) == 2 and all(line.startswith("{") and line.endswith("}") for line in lines)


def _rows(path: Path, options: ReadOptions) -> Iterator[Row]:
    document = read_text(path, options)
    if not document.strip():
        return
    scanner = _Scanner(document)
    try:
        yield from _numbered(scanner.rows())
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.\n{_fix(error)}"
        ) from None
    except RefusedJson as error:
        raise DataError(f"{path}, line {scanner.line()}: {error}.") from None


def _numbered(rows: Iterator[Row]) -> Iterator[Row]:
    """Yields rows with their lines; where the second begins in the line of the first, with their numbers from 1.

    Of a document that is one line, as most programs write it, the line would say nothing.
    """
    first = list(itertools.islice(rows, 2))
    is_one_line = len(first) == 2 and first[0].line == first[1].line
    for number, row in enumerate(itertools.chain(first, rows), start=1):
        yield Row(row.values, number) if is_one_line else row


def _fix(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "Fix: name the file .jsonl if it holds one object a line; else write one list of objects."
    return "Fix: correct the JSON; expected a list of objects, or an object with such a list under 'data'."


class _Scanner:
    """Walks through a document so that each row keeps the line where it begins; json.load would lose it."""

    def __init__(self, document: str) -> None:
        self.document = document
        self.position = 0
        self._line, self._counted = 1, 0

    def rows(self) -> Iterator[Row]:
        if self._accept("{"):
            yield from self._rows_of_object()
        elif self._accept("["):
            yield from self._rows_of_list()
        else:
            decode_value(self.document, self.position)  # says where it is not JSON
            raise RefusedJson("expected a list of objects, or an object with such a list under 'data'")
        self._space()
        if self.position != len(self.document):
            raise json.JSONDecodeError("Extra data", self.document, self.position)

    def line(self) -> int:
        """Returns the 1-based line of the current position."""
        self._line += self.document.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def _rows_of_list(self) -> Iterator[Row]:
        if self._accept("]"):
            return
        while True:
            self._space()
            value, end = decode_value(self.document, self.position)
            if not isinstance(value, dict):
                raise RefusedJson(f'expected an object such as {{"text": ...}}, got {json.dumps(value)[:40]}{_PANDAS}')
            yield Row(value, self.line())
            self.position = end
            if self._accept("]"):
                return
            self._expect(",")

    def _rows_of_object(self) -> Iterator[Row]:
        keys: list[str] = []
        while not (not keys and self._accept("}")):
            self._space()
            key, self.position = decode_value(self.document, self.position)
            if not isinstance(key, str):
                raise RefusedJson(f"expected a key in double quotes, got {key!r}")
            if key in keys:
                raise RefusedJson(f"the key {key!r} appears twice in one object; only one value could be kept")
            keys.append(key)
            self._expect(":")
            if key == _ROWS_KEY and self._accept("["):
                yield from self._rows_of_list()
            else:
                self._space()
                _, self.position = decode_value(self.document, self.position)
            if self._accept("}"):
                break
            self._expect(",")
        if _ROWS_KEY not in keys:
            # After the document's end, so that JSON lines under the name .json are recognised first.
            self._space()
            if self.position != len(self.document):
                raise json.JSONDecodeError("Extra data", self.document, self.position)
            raise RefusedJson(
                f"expected a list of objects, or an object with such a list under 'data'; "
                f"this object has {name_list(keys) or 'no keys'}{_PANDAS}"
            )

    def _space(self) -> None:
        match = _SPACE.match(self.document, self.position)
        self.position = match.end() if match else self.position

    def _accept(self, mark: str) -> bool:
        self._space()
        found = self.document.startswith(mark, self.position)
        self.position += found
        return found

    def _expect(self, mark: str) -> None:
        if not self._accept(mark):
            raise json.JSONDecodeError(f"Expecting {mark!r}", self.document, self.position)
