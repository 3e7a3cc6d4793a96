"""Reads JSON lines: one object a line; values keep their JSON types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.data.readers.json_values import RefusedJson, decode_value
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.readers.text import read_lines
from ftkit.errors import DataError
from ftkit.types import Row

_SPACE = " \t\r\n"


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file of one JSON object a line.

    The columns are the keys of the first row; other rows may have more or fewer. Blank lines are skipped.

    Raises:
        DataError: a line that is not a JSON object (with line and column), NaN or Infinity, a repeated
            key, or no rows.
    """

    def rows() -> Iterator[Row]:
        for number, line in enumerate(read_lines(path, options), 1):
            if not line.strip(_SPACE):
                continue
            try:
                values = _object(path, number, line)
            except DataError as error:
                options.refuse(error)
            else:
                yield Row(values, number)

    table = Table(str(path), (), RowStream(rows))
    first = first_row(table.source, table.rows)
    return Table(table.source, tuple(first.values), table.rows)


def _object(path: Path, line: int, text: str) -> dict[str, Any]:
    try:
        value, end = decode_value(text, len(text) - len(text.lstrip(_SPACE)))
        if rest := text[end:].strip(_SPACE):
            raise json.JSONDecodeError("Extra data", text, text.index(rest, end))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {line}, column {error.pos + 1}: not valid JSON: {error.msg}.\n"
            "Fix: write one complete object a line; name a file that is one JSON list .json."
        ) from None
    except RefusedJson as error:
        raise DataError(f"{path}, line {line}: {error}.") from None
    if not isinstance(value, dict):
        raise DataError(
            f'{path}, line {line}: expected an object such as {{"text": ...}}, got a {_json_type(value)}.\n'
            "Fix: write one object a line; name a file that is one JSON list .json."
        )
    return value


def _json_type(value: Any) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
