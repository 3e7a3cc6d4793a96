"""Files and Hub splits -> rows; one reader per format, none of which changes a value."""

from __future__ import annotations

import glob
import hashlib
import importlib
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftkit.data.compression import format_suffix, is_compressed, unpacking
from ftkit.data.media_files import is_address, is_in_archive, media_size, open_media
from ftkit.data.readers import coco, coco_masks
from ftkit.data.readers.conversions import no_reader, stands_instead
from ftkit.data.readers.layouts import fingerprint as layout_fingerprint
from ftkit.data.readers.layouts import layout_of
from ftkit.data.readers.saved_dataset import is_saved
from ftkit.data.readers.saved_dataset import read as read_saved
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.data.spec import HubSource, ParallelSource, Source
from ftkit.errors import DataError, closest_name, name_list
from ftkit.own_code import find_own
from ftkit.paths import user_path

__all__ = [
    "READERS",
    "ReadOptions",
    "RowStream",
    "Table",
    "fingerprint",
    "has_reader",
    "num_bytes",
    "open_table",
    "path_of",
    "resolve",
]

READERS: dict[str, str] = {
    ".csv": "ftkit.data.readers.csv:read",
    ".tsv": "ftkit.data.readers.tsv:read",
    ".jsonl": "ftkit.data.readers.jsonl:read",
    ".json": "ftkit.data.readers.json:read",
    ".parquet": "ftkit.data.readers.parquet:read",
    ".txt": "ftkit.data.readers.txt:read",
    ".conll": "ftkit.data.readers.conll:read",
    ".conllu": "ftkit.data.readers.conllu:read",
    ".bio": "ftkit.data.readers.conll:read",
    ".iob": "ftkit.data.readers.conll:read",
    ".tmx": "ftkit.data.readers.tmx:read",
    ".ndjson": "ftkit.data.readers.jsonl:read",
    ".tar": "ftkit.data.readers.tar:read",
    ".xlsx": "ftkit.data.readers.xlsx:read",
    ".xlsm": "ftkit.data.readers.xlsx:read",
}
"""File extension -> `module:function`, imported when first needed; the function takes a path and options."""

COMPRESSED_WITHIN = (".parquet", ".xlsx", ".xlsm")
"""Formats that are compressed by themselves, and cannot be read from their beginning to their end."""

DEMO_PREFIX = "ftkit:"
DEMO_FOLDER = Path(__file__).resolve().parents[2] / "demo"


def open_table(source: Source, options: ReadOptions | None = None) -> Table:
    """Opens a file, packaged demo data (`ftkit:support/train.csv`), a folder, or a Hub split.

    Where rows are images or sounds (`options.media`), a single one of them is a table of one row.

    The first row is read at once, so a file that is missing, empty or of another format fails here; the
    other rows are read as they are asked for.

    Raises:
        DataError: the source cannot be read; the message says why and what to do.
    """
    if isinstance(source, HubSource):
        from ftkit.data.readers import hub

        return hub.read(source)
    if isinstance(source, ParallelSource):
        from ftkit.data.readers import parallel

        return parallel.read(resolve(source.source), resolve(source.target), options or ReadOptions())
    options = options or ReadOptions()
    if is_folder(source) and is_saved(path_of(source)):
        return read_saved(path_of(source))
    if options.annotated and (layout := layout_of(path_of(source))) is not None:
        return layout.read(path_of(source), options)
    if options.outlined and coco.recognises(path_of(source)):
        return coco_masks.read(path_of(source), options)
    if options.media is not None and is_folder(source):
        reader = _paired_reader() if options.paired_folders else _folder_reader()
        return reader.read(path_of(source), options)
    path = resolve(source)
    if options.media is not None and _folder_reader().is_file_of(path, options.media):
        return _folder_reader().read_file(path, options)
    if is_in_archive(str(path)):
        raise DataError(f"{source}: of an archive all texts are read, and no single one. Fix: name the archive.")
    table = _reader(path, options)(path, options)
    return replace(table, folder=path.parent)


def has_reader(path: str) -> bool:
    """Tells by a file's name whether there is a reader for it."""
    return format_suffix(Path(path)) in READERS


def fingerprint(source: Source) -> str:
    """Returns the SHA-256 of a file's bytes in hex, or the fingerprint that `datasets` gives a Hub split.

    Of a folder the names count as well as the bytes of its files.
    """
    if isinstance(source, HubSource):
        from ftkit.data.readers import hub

        return hub.fingerprint(source)
    if isinstance(source, ParallelSource):
        both = fingerprint(source.source) + fingerprint(source.target)
        return hashlib.sha256(both.encode()).hexdigest()
    if is_folder(source):
        return _folder_reader().fingerprint(path_of(source))
    if (found := layout_fingerprint(path_of(source))) is not None:
        return found
    digest = hashlib.sha256()
    with open_media(str(resolve(source))) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def num_bytes(source: Source) -> int:
    """Returns about how much a source holds: the size of its files, or of the table that `datasets` made of them."""
    if isinstance(source, HubSource):
        from ftkit.data.readers import hub

        return hub.num_bytes(source)
    if isinstance(source, ParallelSource):
        return num_bytes(source.source) + num_bytes(source.target)
    path = path_of(source)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return media_size(str(path)) * (_UNPACKED if is_compressed(path) or path.suffix in COMPRESSED_WITHIN else 1)


_UNPACKED = 4  # times as large are texts that were compressed, about


def resolve(source: str) -> Path:
    """Returns the path of a readable, non-empty file, or raises a DataError that says what is wrong."""
    path = path_of(source)
    if path.is_dir():
        raise DataError(
            f"{source} is a folder; expected a file{_files_inside(path)}. "
            "For a folder that `datasets.load_dataset` can load, write {hub: FOLDER, split: train}."
        )
    if not path.exists() and not is_in_archive(str(path)):
        raise _missing_file(source, path)
    try:
        with open_media(str(path)) as file:
            start = file.read(64)
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror} ({path.absolute()}).") from None
    if not start:
        raise DataError(f"{source} is empty: the file has 0 bytes ({path.absolute()}).")
    if instead := stands_instead(start, path.suffix):
        raise DataError(f"{source} is {instead}.")
    return path


def is_folder(source: Source) -> bool:
    """Tells whether a source is a folder on this machine."""
    return isinstance(source, str) and path_of(source).is_dir()


def path_of(source: str) -> Path:
    """Returns where a file or folder lies that a user names: `~` is the home folder, `ftkit:` the demo data."""
    return _demo_path(source) if source.startswith(DEMO_PREFIX) else user_path(source)


def _folder_reader() -> Any:
    return importlib.import_module("ftkit.data.readers.folder")


def _paired_reader() -> Any:
    return importlib.import_module("ftkit.data.readers.paired_folders")


def _reader(path: Path, options: ReadOptions) -> Callable[[Path, ReadOptions], Table]:
    suffix = format_suffix(path)
    is_text = suffix not in READERS and suffix in options.text_extensions
    target = READERS.get(".txt" if is_text else suffix)
    if target is None:
        raise no_reader(path, READERS)
    if is_compressed(path) and suffix in COMPRESSED_WITHIN:
        raise DataError(f"{path}: {suffix} files are read as they are.\nFix: unpack it: {unpacking(path)}")
    return find_own(target)


def _demo_path(source: str) -> Path:
    path = DEMO_FOLDER / source.removeprefix(DEMO_PREFIX)
    if not path.resolve().is_relative_to(DEMO_FOLDER.resolve()):
        raise DataError(f"{source}: the path leaves ftkit's demo data; write one such as ftkit:NAME/train.csv.")
    return path


def _missing_file(source: str, path: Path) -> DataError:
    if is_address(source):
        fix = f"save the file, and name it: curl -LO {shlex.quote(source)}; of a dataset on the Hub: " + (
            "{hub: owner/name, split: train}"
        )
        return DataError(f"{source} is an address of the web, where a file is expected.\nFix: {fix}.")
    if source == "-":
        return DataError("-: standard input is not read.\nFix: write it to a file of its format, such as rows.jsonl.")
    folder = path.absolute().parent
    looked_at = f"{source}: no such file (looked at {path.absolute()})."
    if not folder.is_dir():
        return DataError(f"{looked_at} The folder {folder} does not exist either.")
    if glob.has_magic(path.name) and next(folder.glob(path.name), None) is not None:
        return DataError(f"{source}: patterns of files are read with data.streaming: true alone. Set it, or name one.")
    near = closest_name(path.name, (file.name for file in folder.iterdir() if file.is_file()))
    return DataError(looked_at + (f" Did you mean {near!r}?" if near else ""))


def _files_inside(folder: Path) -> str:
    names = sorted(file.name for file in folder.iterdir() if has_reader(file.name) and file.name[0] != ".")
    return f" such as one of those inside: {name_list(names, limit=5)}" if names else ""
