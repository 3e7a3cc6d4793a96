"""Reads two folders side by side whose files belong together by name: images, and the mask of each.

    cells/images/1.jpg          image          | mask
    cells/images/2.jpg          images/1.jpg   | masks/1.png
    cells/masks/1.png           images/2.jpg   | masks/2.png
    cells/masks/2.png

What belongs to `images/a/1.jpg` is `masks/a/1.png`: all but the ending is the same. Files are not opened here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ftkit.data.readers import folder as one_folder
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.errors import DataError, name_list
from ftkit.types import Row

MOST_NAMED = 5


def read(folder: Path, options: ReadOptions) -> Table:
    """Reads a folder that holds one folder for each column; any other folder as `ftkit.data.readers.folder` does.

    Returns:
        Rows in the natural order of the names of the first column's files; None stands where one has no partner. A
        folder without the second of the two gives the first column alone.

    Raises:
        DataError: a file of the second folder has no partner; one has several; a folder could be meant by two names;
            or it has no such files.
    """
    assert options.media is not None, "open_table refuses folders where no files are read"
    if any((folder / name).is_file() for name in one_folder.METADATA):
        return one_folder.read(folder, options)
    places = {column: _folder_of(folder, column, names) for column, names in options.paired_folders.items()}
    found = {column: place for column, place in places.items() if place is not None}
    first = next(iter(places))
    if first not in found:
        table = one_folder.read(folder, options)
        return Table(table.source, (first,), table.rows, hint=_hint(folder, options), folder=folder)
    files = {column: _by_stem(folder, place, options.media) for column, place in found.items()}
    if not files[first]:
        raise DataError(f"{folder / found[first]} holds no {options.media} files. Put them there, or name its folder.")
    _check_partners(folder, found, files)
    rows = [Row({column: files[column].get(stem) for column in found}, 0) for stem in files[first]]
    return Table(str(folder), tuple(found), rows, hint=_hint(folder, options), folder=folder)


def _folder_of(folder: Path, column: str, names: tuple[str, ...]) -> str | None:
    """Returns the name of a column's folder, however it is written; None where there is none."""
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [name for name in inside if name in names] or [name for name in inside if name.lower() in names]
    if len(found) > 1:
        raise DataError(
            f"{folder} holds {name_list(found)}, each of which could be that of column {column!r}.\n"
            f"Fix: say which: data.{column}_folder: {found[0]}"
        )
    return found[0] if found else None


def _by_stem(folder: Path, place: str, media: str) -> dict[str, str]:
    """Returns name without ending, within a column's folder -> path within the folder of both.

    Raises:
        DataError: two files differ in their endings alone.
    """
    found: dict[str, str] = {}
    for path in one_folder.files_below(folder / place):
        if not one_folder.is_file_of(path, media):
            continue
        inside = PurePosixPath(path.relative_to(folder / place).as_posix())
        # Systems write one letter in two ways: names that people see as equal are.
        stem, name = unicodedata.normalize("NFC", inside.with_suffix("").as_posix()), f"{place}/{inside}"
        if stem in found:
            raise DataError(f"{folder}: {found[stem]} and {name} differ in their ending alone. Keep one of them.")
        one_folder.inside(folder, name)
        found[stem] = name
    return found


def _check_partners(folder: Path, places: Mapping[str, str], files: Mapping[str, Mapping[str, str]]) -> None:
    """Refuses files that the folder of the first column has no partner for.

    Raises:
        DataError: naming the first of them, and how many there are.
    """
    (_, of_first), *others = files.items()
    for column, of_other in others:
        alone = [name for stem, name in of_other.items() if stem not in of_first]
        if alone:
            first = next(iter(places.values()))
            raise DataError(
                f"{folder}: {len(alone):,} of {len(of_other):,} files in {places[column]}/ have no partner in "
                f"{first}/, by their names without endings: {name_list(alone, limit=MOST_NAMED)}.\n"
                f"Fix: give both the same name, such as {first}/1.jpg and {places[column]}/1.png, name the pairs in a "
                f"table with the columns {name_list(files)}, add what is missing, or take these files out."
            )


def _hint(folder: Path, options: ReadOptions) -> str:
    parts = [f"{column} as {' or '.join(f'{name}/' for name in names[:3])}" for column, names in _names(options)]
    return f"Fix: put into {folder.name}/ a folder for each, such as {', '.join(parts)}, or name it in data"


def _names(options: ReadOptions) -> list[tuple[str, tuple[str, ...]]]:
    return list(options.paired_folders.items())
