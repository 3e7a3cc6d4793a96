"""Reads tar archives in the form of WebDataset: the files of a sample have one name before its first dot.

    0001.txt  0001.cls  0002.txt  0002.cls      two rows, of the columns `__key__`, `txt` and `cls`
    0001.json 0002.json                         two rows, of the columns `__key__` and the fields of each object

Source: https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ftkit.data.readers.compression import open_binary
from ftkit.data.readers.json_values import RefusedJson, decode_value
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.errors import DataError
from ftkit.types import Row

KEY = "__key__"
TEXTS = frozenset({"txt", "text", "transcript", "cls", "cls2", "index"})
"""Last parts of the names of members that are read as text; those that are neither these nor JSON are left out."""


def read(path: Path, options: ReadOptions) -> Table:
    """Reads an archive from its beginning to its end, a sample at a time; nothing of it is unpacked on disk.

    The columns are those of the first sample; other samples may have more or fewer. A text ends before its last line
    end, as a line of a file does.

    Raises:
        DataError: the archive is damaged, holds no text, or a member is not what its name says; or rows are images or
            sounds, which are read from folders.
    """
    if options.media is not None:
        raise DataError(
            f"{path}: archives of {options.media}s are not read.\nFix: unpack it, and name the folder: "
            f"mkdir FOLDER && tar -xf {path.name} -C FOLDER"
        )

    def rows() -> Iterator[Row]:
        for number, (key, members) in enumerate(_samples(path), 1):
            try:
                values = _values(path, key, members, options)
            except DataError as error:
                options.refuse(error)
            else:
                yield Row({KEY: key, **values}, number)

    table = Table(str(path), (), RowStream(rows))
    first = first_row(table.source, table.rows, empty="it holds no files")
    if len(first.values) == 1:
        raise DataError(
            f"{path}: sample {first.values[KEY]!r} has no member that is read as text: one that ends in .txt, .cls or "
            ".json."
        )
    return Table(table.source, tuple(first.values), table.rows)


def _samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yields name and text members of each sample, extension -> content."""
    with open_binary(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r|") as archive:
                for key, members in itertools.groupby(_files(archive), key=lambda member: _parts(member.name)[0]):
                    yield key, {_parts(member.name)[1]: _content(archive, member) for member in members}
        except tarfile.TarError as error:
            raise DataError(
                f"{path} is no tar archive, or damaged: {error}.\n"
                f"Fix: look at it by tar -tf {path.name}, and copy it again."
            ) from None


def _files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields the files that are data; those whose names begin with a dot are a file system's own."""
    return (member for member in archive if member.isfile() and not PurePosixPath(member.name).name.startswith("."))


def _parts(name: str) -> tuple[str, str]:
    """Splits a member's name at the first dot of its last part: `train/0001.seg.txt` -> `train/0001`, `seg.txt`."""
    stem, _, extension = PurePosixPath(name).name.partition(".")
    return str(PurePosixPath(name).with_name(stem)), extension.lower()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    last = member.name.lower().rpartition(".")[2]
    file = archive.extractfile(member) if last == "json" or last in TEXTS else None
    return b"" if file is None else file.read()


def _values(path: Path, key: str, members: dict[str, bytes], options: ReadOptions) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for extension, content in members.items():
        last = extension.rpartition(".")[2]
        if last != "json" and last not in TEXTS:
            continue
        where = f"{path}, {key}.{extension}"
        text = _text(where, content, options)
        found = _fields(where, extension, text) if last == "json" else {extension: text}
        if twice := values.keys() & found:
            raise DataError(f"{where}: a second value for the column {min(twice)!r} of sample {key!r}.")
        values |= found
    return values


def _text(where: str, content: bytes, options: ReadOptions) -> str:
    codec = "utf-8-sig" if options.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else options.encoding
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: byte {error.start + 1} is not {options.encoding}.\n"
            "Fix: write it as UTF-8, or say data.encoding."
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _fields(where: str, extension: str, text: str) -> dict[str, Any]:
    """Returns the fields of an object; any other value is that of a column named by the extension."""
    try:
        value, end = decode_value(text, len(text) - len(text.lstrip()))
    except json.JSONDecodeError as error:
        raise DataError(f"{where}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.") from None
    except RefusedJson as error:
        raise DataError(f"{where}: {error}.") from None
    if text[end:].strip():
        raise DataError(f"{where}: more than one JSON value.")
    return value if isinstance(value, dict) else {extension: value}
