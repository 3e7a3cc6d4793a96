"""Reads tar archives in the form of WebDataset: the files of a sample have one name before its first dot.

    0001.txt  0001.cls  0002.txt  0002.cls      two rows, of the columns `__key__`, `txt` and `cls`
    0001.json 0002.json                         two rows, of the columns `__key__` and the fields of each object
    0001.jpg  0001.cls  0002.jpg  0002.cls      two rows, of the columns `__key__`, `image` and `cls`

Source: https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ftkit.data.compression import FREE_BYTES, is_compressed, open_binary
from ftkit.data.media_files import member_name
from ftkit.data.readers.folder import MEDIA, is_file_of
from ftkit.data.readers.json_values import RefusedJson, decode_value
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.data.unpacked import plain_archive
from ftkit.errors import DataError
from ftkit.types import Row

KEY = "__key__"
TEXTS = frozenset({"txt", "text", "transcript", "cls", "cls2", "index"})
"""Last parts of the names of members that are read as text; those that are neither these nor JSON are left out."""

_Member = tuple[str, bytes | None]
"""The name of a member, and its content where that is held."""

_HINT = (
    "Columns are the endings of an archive's members, and the fields of its JSON. Fix: say in data.columns which is "
    "which"
)


def read(path: Path, options: ReadOptions) -> Table:
    """Reads an archive from its beginning to its end, a sample at a time.

    The columns are those of the first sample; other samples may have more or fewer. A text ends before its last line
    end, as a line of a file does. Where rows are images or sounds, the column of their name holds the path of the
    sample's, which is opened where it lies, and rows are named by it. What is compressed is unpacked for that, as a
    whole and once (ftkit.data.unpacked); a stream holds the bytes instead, beside the path.

    Example: of `photos/a.tar` with `cat/1.jpg` and `cat/1.cls`, a row `{"__key__": "cat/1", "image":
    "a.tar/cat/1.jpg", "cls": "0"}`.

    Raises:
        DataError: the archive is damaged, holds nothing that is read, or a member is not what its name says.
    """

    def rows() -> Iterator[Row]:
        for number, (key, members) in enumerate(_samples(path, options), 1):
            try:
                values = _values(path, key, members, options)
            except DataError as error:
                options.refuse(error)
            else:
                yield Row({KEY: key, **values}, number if options.media is None else 0)

    table = Table(str(path), (), RowStream(rows))
    first = first_row(table.source, table.rows, empty="it holds no files")
    if len(first.values) == 1:
        is_text = "text: one that ends in .txt, .cls or .json"
        raise DataError(
            f"{path}: sample {first.values[KEY]!r} has no member that is read"
            + (f" as {is_text}." if options.media is None else f", neither of {options.media} nor of {is_text}.")
        )
    return Table(table.source, tuple(first.values), table.rows, hint=_HINT)


def _samples(path: Path, options: ReadOptions) -> Iterator[tuple[str, dict[str, _Member]]]:
    """Yields each sample's name and its members by their extensions."""
    held, is_sought = {"json", *TEXTS}, options.media is not None
    if options.media is not None and options.streams and is_compressed(path):
        held |= {ending.removeprefix(".") for ending in MEDIA[options.media]}
        is_sought = False
    # Of images and sounds that are sought when they are needed, all bytes but the headers are passed over.
    with open(plain_archive(str(path)), "rb") if is_sought else open_binary(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:" if is_sought else "r|") as archive:
                for key, members in itertools.groupby(_files(archive), key=lambda member: _parts(member.name)[0]):
                    yield key, {_parts(it.name)[1]: (it.name, _content(path, archive, it, held)) for it in members}
        except tarfile.TarError as error:
            raise DataError(
                f"{path} is no tar archive, or damaged: {error}.\n"
                f"Fix: look at it by tar -tf {path.name}, and copy it again."
            ) from None


def _files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yields the files that are data; those whose names begin with a dot are a file system's own."""
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # which tarfile would keep, with a kilobyte each
        if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
            yield member


def _parts(name: str) -> tuple[str, str]:
    """Splits a member's name at the first dot of its last part: `train/0001.seg.txt` -> `train/0001`, `seg.txt`."""
    stem, _, extension = PurePosixPath(name).name.partition(".")
    return str(PurePosixPath(name).with_name(stem)), extension.lower()


def _content(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, held: Collection[str]) -> bytes | None:
    """Returns the bytes of a member whose ending is one of those that are held."""
    if member.name.lower().rpartition(".")[2] not in held:
        return None
    if member.size > FREE_BYTES:
        raise DataError(
            f"{path}, {member.name}: it has {member.size:,} bytes; of a file that is held in memory at most "
            f"{FREE_BYTES:,} are read."
        )
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _values(path: Path, key: str, members: Mapping[str, _Member], options: ReadOptions) -> dict[str, Any]:
    values: dict[str, Any] = _media(path, members, options)
    for extension, (_, content) in members.items():
        last = extension.rpartition(".")[2]
        if last != "json" and last not in TEXTS:
            continue
        where = f"{path}, {key}.{extension}"
        text = _text(where, content or b"", options)
        found = _fields(where, extension, text) if last == "json" else {extension: text}
        if options.media in found and options.media not in values:
            raise DataError(f"{where}: {options.media!r} is the name of the sample's {options.media}, a member.")
        if twice := values.keys() & found:
            raise DataError(f"{where}: a second value for the column {min(twice)!r} of sample {key!r}.")
        values |= found
    return values


def _media(path: Path, members: Mapping[str, _Member], options: ReadOptions) -> dict[str, Any]:
    """Returns a sample's files of the medium by their columns: paths, and bytes with paths where these are held.

    Where rows are single files, the one with the shortest extension has the medium's column. Where they are pairs, as
    of images and masks, a file belongs to the column that its extension names; of others the mask is no JPEG.

    Example: of `1.jpg` and `1.seg.png` in `a.tar`, `{"image": "a.tar/1.jpg", "mask": "a.tar/1.seg.png"}` where rows
    are pairs, and `{"image": "a.tar/1.jpg", "seg.png": "a.tar/1.seg.png"}` where they are not.
    """
    if options.media is None:
        return {}
    found = {
        extension: _cell(f"{path.name}/{member_name(name)}", content)
        for extension, (name, content) in members.items()
        if is_file_of(Path(name), options.media)
    }
    columns = options.paired_folders or {options.media: ()}
    chosen: dict[str, Any] = {}
    for column, names in columns.items():
        own = (it for it in found if it == column or it.rpartition(".")[0] in names)
        if (extension := next(own, None)) is not None:
            chosen[column] = found.pop(extension)
    rest = sorted(found, key=lambda it: (it.count("."), len(columns) > 1 and it not in _JPEG))
    for place, column in enumerate(columns):
        if column not in chosen and rest and (place == 0 or len(rest) == 1):
            chosen[column] = found.pop(rest.pop(0))
    return {**chosen, **{extension: found[extension] for extension in rest}}


_JPEG = ("jpg", "jpeg")


def _cell(path: str, content: bytes | None) -> Any:
    return path if content is None else {"bytes": content, "path": path}


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
