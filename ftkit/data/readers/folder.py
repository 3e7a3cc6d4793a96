"""Reads a folder of images or sounds: a folder for each class, a metadata file beside them, or files alone.

    photos/cat/1.jpg            photos/metadata.csv          photos/1.jpg
    photos/dog/2.jpg            photos/1.jpg                 photos/2.jpg

    image      | label          image | the columns of       image
    cat/1.jpg  | cat            1.jpg | metadata.csv         1.jpg

The files themselves are not opened here. What is read does not depend on the order in which a disk lists its names,
and nothing outside of the folder is ever read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftkit.console import warn
from ftkit.data.images import EXTENSIONS as IMAGE_EXTENSIONS
from ftkit.data.readers import corpora, csv, jsonl, parquet, tsv
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.errors import DataError, did_you_mean, name_list
from ftkit.types import Row, natural_key

MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": IMAGE_EXTENSIONS,
    "audio": (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".w64", ".caf"),
}
"""What a folder may hold -> endings of such files; also the name of the column that holds their paths."""

LABEL = "label"
METADATA: Mapping[str, Callable[[Path, ReadOptions], Table]] = {
    "metadata.csv": csv.read,
    "metadata.tsv": tsv.read,
    "metadata.jsonl": jsonl.read,
    "metadata.parquet": parquet.read,
}
FILE_NAME = "file_name"
"""The column of a metadata file that `datasets` reads paths from."""

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
_SPLITS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev")


def read(folder: Path, options: ReadOptions) -> Table:
    """Reads a folder of files of `options.media`.

    Returns:
        Rows in the natural order of the names (`2.jpg` before `10.jpg`): with a metadata file its rows, with class
        folders `media` and `label`, else `media` alone. Their `line` is 0: a row is named by its file.

    Raises:
        DataError: the folder holds no such files, splits instead of classes, folders inside of class folders, or a
            link that leads outside.
    """
    assert options.media is not None, "open_table refuses folders where no files are read"
    corpus = corpora.read(folder, options) if options.media == "audio" else None
    if corpus is not None:
        return corpus
    metadata = [folder / name for name in METADATA if (folder / name).is_file()]
    if len(metadata) > 1:
        raise DataError(f"{folder} holds {name_list(path.name for path in metadata)}; keep one of them.")
    if metadata:
        return _with_metadata(folder, metadata[0], options)
    listing = _Listing(folder, options.media)
    classes, files = listing.classes(), listing.files(folder)
    if classes and files:
        raise DataError(
            f"{folder} holds {options.media} files beside the class folders {name_list(classes)}, such as "
            f"{files[0]!r}.\nFix: move them into the folder of their class, or out of {folder}."
        )
    listing.report()
    if classes:
        paths = [(f"{name}/{file}", name) for name, names in classes.items() for file in names]
        rows = [Row({options.media: path, LABEL: name}, 0) for path, name in paths]
        return Table(str(folder), (options.media, LABEL), rows, hint=listing.of_classes_alone(), folder=folder)
    if not files:
        raise _nothing_found(folder, options.media)
    rows = [Row({options.media: file}, 0) for file in files]
    return Table(str(folder), (options.media,), rows, hint=_no_classes(folder, options.media), folder=folder)


def is_file_of(path: Path, media: str) -> bool:
    """Tells whether a path ends as files of the medium do."""
    return path.suffix.lower() in MEDIA[media]


def read_file(path: Path, options: ReadOptions) -> Table:
    """Reads one image or sound by itself: a table of one row."""
    media = str(options.media)
    return Table(str(path), (media,), [Row({media: path.name}, 0)], folder=path.parent)


def fingerprint(folder: Path) -> str:
    """Returns the SHA-256 of the names and bytes of all files of a folder, hidden ones apart, in hex."""
    digest = hashlib.sha256()
    for path in files_below(folder):
        relative = path.relative_to(folder).as_posix()
        file_digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                file_digest.update(chunk)
        digest.update(f"{relative}\0{file_digest.hexdigest()}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def inside(folder: Path, name: str) -> Path:
    """Returns the path of a file of a folder.

    Raises:
        DataError: the name, or a link on its way, leads out of the folder.
    """
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise DataError(
            f"{path} leads out of {folder}, to {os.path.realpath(path)}.\nFix: copy the file into the folder, "
            "name the folder that holds both, or a table of the files instead of the folder."
        )
    return path


class _Listing:
    """The names in a folder and in the folders in it, each once, and what of them is left out."""

    def __init__(self, folder: Path, media: str) -> None:
        self.folder, self.media = folder, media
        self._left_out: list[str] = []
        self._empty: list[str] = []

    def files(self, folder: Path) -> list[str]:
        """Returns the names of a folder's files of the medium."""
        names = []
        for path in _entries(self.folder, folder):
            if path.is_dir():
                continue
            if not is_hidden(path) and is_file_of(path, self.media):
                names.append(path.name)
            else:
                self._left_out.append(path.relative_to(self.folder).as_posix())
        return names

    def classes(self) -> dict[str, list[str]]:
        """Returns class folder -> names of its files.

        Raises:
            DataError: a class folder holds another folder with files; or the folders are splits.
        """
        classes: dict[str, list[str]] = {}
        for folder in _entries(self.folder, self.folder):
            if not folder.is_dir() or is_hidden(folder):
                continue
            files = self.files(folder)
            deeper = [path for path in _entries(self.folder, folder) if path.is_dir() and self._holds_files(path)]
            if deeper:
                raise _folder_in_class(folder, deeper[0])
            if files:
                classes[folder.name] = files
            else:
                self._empty.append(folder.name)
        if classes and all(name.lower() in _SPLITS for name in classes):
            raise _are_splits(self.folder / next(iter(classes)))
        return classes

    def _holds_files(self, folder: Path) -> bool:
        return any(
            is_file_of(path, self.media) if path.is_file() else self._holds_files(path)
            for path in _entries(self.folder, folder)
            if not is_hidden(path)
        )

    def of_classes_alone(self) -> str:
        """Returns why there is no column but the labels, and which table may say more."""
        table = next((name for name in self._left_out if Path(name).suffix.lower() in _TABLES), None)
        fix = f" Fix: name its table, such as {self.folder / table}" if table is not None else ""
        return f"The folders in it were read as {LABEL}s.{fix}"

    def report(self) -> None:
        """Warns of what is not read."""
        if self._left_out:
            num, names = len(self._left_out), name_list(self._left_out, limit=5)
            what = f"{num:,} file is" if num == 1 else f"{num:,} files are"
            warn(f"{self.folder}: {what} not read, being hidden or no {self.media}: {names}")
        if self._empty:
            warn(f"{self.folder}: no {self.media} files in {name_list(self._empty, limit=5)}, which is no class then")


def _with_metadata(folder: Path, path: Path, options: ReadOptions) -> Table:
    """Returns the rows of a metadata file, its `file_name` under the name of the medium, checked to lie inside."""
    media = str(options.media)
    table = METADATA[path.name](path, options)
    named = FILE_NAME if FILE_NAME in table.columns else media
    if named not in table.columns and table.hint:
        raise table.missing_column(FILE_NAME)
    if named not in table.columns:
        raise DataError(
            f"{path}: there is no column {FILE_NAME!r} with the paths of the files; the columns are "
            f"{name_list(table.columns)}.{did_you_mean(FILE_NAME, table.columns)}\nFix: call that column {FILE_NAME}, "
            f"or name the table instead of the folder, and its columns: {path}, data.columns: {{{media}: COLUMN}}"
        )

    def rows() -> Iterator[Row]:
        for row in table.rows:
            values = {media if name == named else name: cell for name, cell in row.values.items()}
            if isinstance(values.get(media), str):
                inside(folder, values[media])
            yield Row(values, row.line)

    _report_unlisted(folder, path, media, {row.values.get(media) for row in rows()})
    columns = tuple(media if name == named else name for name in table.columns)
    return replace(table, columns=columns, rows=RowStream(rows), folder=folder)


def _report_unlisted(folder: Path, metadata: Path, media: str, listed: Collection[Any]) -> None:
    """Warns of files that the metadata does not name."""
    known = {os.path.normpath(name) for name in listed if isinstance(name, str)}
    found = (path.relative_to(folder).as_posix() for path in files_below(folder) if is_file_of(path, media))
    unlisted = [name for name in found if name not in known]
    if unlisted:
        warn(
            f"{metadata} does not name {len(unlisted):,} of the {media} files beside it, which are not read: "
            f"{name_list(unlisted, limit=5)}"
        )


def _folder_in_class(folder: Path, deeper: Path) -> DataError:
    if folder.name.lower() in _SPLITS:
        return _are_splits(folder)
    return DataError(
        f"{deeper} is a folder inside of the class folder {folder.name!r}; files of a class lie directly in its "
        f"folder.\nFix: move them up, or name the folder that holds the class folders, such as {folder}"
    )


def _are_splits(folder: Path) -> DataError:
    return DataError(
        f"{folder.parent} holds {folder.name}/, which is a split and no class.\n"
        f"Fix: name one folder for each split, such as data.train: {folder}"
    )


def _nothing_found(folder: Path, media: str) -> DataError:
    endings = ", ".join(MEDIA[media][:6])
    return DataError(
        f"{folder} is a folder without {media} files ({endings} ...), class folders or metadata.csv.\n"
        f"Fix: name the folder in which they lie, such as {folder.name}/1{MEDIA[media][0]}, or that of the classes' "
        f"folders, such as {folder.name}/cat/1{MEDIA[media][0]}"
    )


def _no_classes(folder: Path, media: str) -> str:
    return (
        f"It holds files alone. Fix: sort the files into {folder.name}/CLASS/ for {LABEL}s, write "
        f"{folder.name}/metadata.csv with {FILE_NAME} and the missing column, or name the table that has it"
    )


def files_below(folder: Path) -> Iterator[Path]:
    """Yields all files of a folder and of those in it, hidden ones apart, in natural order."""

    def walk(inner: Path) -> Iterator[Path]:
        for path in _entries(folder, inner):
            if is_hidden(path):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return walk(folder)


def _entries(root: Path, folder: Path) -> list[Path]:
    """Returns what a folder holds, in natural order.

    Links are followed inside of the root. One that leads out of it is refused, or a stranger's folder could show its
    user's own files in a report; so is one that leads to a folder around it.
    """
    try:
        entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from None
    for path in entries:
        if path.is_symlink() and not is_hidden(path):
            target = os.path.realpath(inside(root, path.relative_to(root).as_posix()))
            if Path(os.path.realpath(path.parent)).is_relative_to(target):
                raise DataError(f"{path} is a link to a folder around it, {target}. Remove the link.")
    return entries


def is_hidden(path: Path) -> bool:
    """Tells whether a file is one that systems put beside those of people, such as `.DS_Store` and `._1.jpg`."""
    return path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini")
