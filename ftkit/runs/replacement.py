"""How a finished run takes the place of the run before it, in the same folder, whole at every moment.

The new run is trained, saved and proven in a hidden folder inside the old one. That works where the run directory is a
link, a mount point or the working directory, which cannot be renamed. Then three states follow, each told by the name
of the hidden folder, and each step is a rename, so that a kill leaves a state from which `finish_replacement` goes on:

    .replacement         being trained; whole once it holds all_results.json
    .replacement-ready   the old run's files are parked inside it, one by one
    .replacement-moving  the old run has been parked; the new run's files move to their places

Several processes may finish the same replacement at once: what another has moved already is passed over.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ftkit.data.files import atomic_write_json
from ftkit.errors import MachineError
from ftkit.json_file import read_json
from ftkit.runs.files import (
    CHECKPOINTS,
    KNOWN_FILES,
    LOCK_FILE,
    MANIFEST_FILE,
    OWN_ENTRIES,
    OWNER_FILE,
    RESULTS_FILE,
    STORES,
)

REPLACEMENT = ".replacement"
READY = ".replacement-ready"
MOVING = ".replacement-moving"
_PARKED = ".old"
_HIDDEN = (REPLACEMENT, READY, MOVING, f"{CHECKPOINTS}/{LOCK_FILE}", f"{CHECKPOINTS}/{OWNER_FILE}")


def is_replaced(folder: Path) -> bool:
    """Tells whether a whole new run is about to take, or is taking, the place of the one in a folder."""
    return _is_own(folder / READY) or _is_own(folder / MOVING) or _is_whole(folder / REPLACEMENT)


def _is_own(folder: Path) -> bool:
    """Tells whether a folder lies where it seems to: a run may come from anybody, and a link in it lead anywhere."""
    return folder.is_dir() and not folder.is_symlink()


def _is_whole(folder: Path) -> bool:
    return _is_own(folder) and (folder / RESULTS_FILE).is_file()


def finish_replacement(folder: Path) -> None:
    """Puts a whole new run in the place of the one in a folder, from wherever that stopped; does nothing otherwise.

    Raises:
        MachineError: the folder cannot be written.
    """
    if not is_replaced(folder):
        return
    try:
        _finish_moving(folder)
        if _is_whole(folder / REPLACEMENT):
            _rename(folder / REPLACEMENT, folder / READY)
        if _is_own(folder / READY):
            _park_old_run(folder)
            _rename(folder / READY, folder / MOVING)
        _finish_moving(folder)
    except OSError as error:
        raise MachineError(
            f"{folder}: a new run is taking the place of the old one, and that cannot be finished here: "
            f"{error.strerror}. Make the folder writable, or free some space, and run the same command again",
            "Both runs are safe.",
        ) from None


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Records which files of a run ftkit wrote, apart from checkpoints: nothing else is ever removed."""
    atomic_write_json(folder / MANIFEST_FILE, sorted(names))


def own_entries(folder: Path) -> list[PurePosixPath]:
    """Returns what ftkit wrote into a run's folder: by its manifest, else by the names that ftkit gives.

    A folder may come from anywhere: names that lead out of it, or through a link, are passed over.
    """
    names = _manifest(folder)
    if names is None:
        names = [name for pattern in KNOWN_FILES for name in _matching(folder, pattern)]
    names += [name for pattern in OWN_ENTRIES for name in _matching(folder, pattern)]
    found = (PurePosixPath(name) for name in dict.fromkeys(names))
    return [name for name in found if _lies_inside(folder, name) and os.path.lexists(folder / name)]


def foreign_entries(folder: Path) -> list[str]:
    """Returns what lies in a run's folder and was not written by ftkit, by its path within the folder."""
    own = own_entries(folder)
    shared = {name.parts[0] for name in own if len(name.parts) > 1}
    kept = {*map(str, own), *STORES, *_HIDDEN}
    foreign = []
    for entry in sorted(folder.iterdir()):
        if entry.name in shared and entry.is_dir():
            inner = (f"{entry.name}/{child.name}" for child in sorted(entry.iterdir()))
            foreign += [name for name in inner if name not in kept]
        elif entry.name not in kept and entry.name != CHECKPOINTS:
            foreign.append(entry.name)
    return foreign


def _manifest(folder: Path) -> list[str] | None:
    """Returns the names in a run's manifest; None where there is none, or none that can be read."""
    try:
        names = read_json(folder / MANIFEST_FILE)
    except (OSError, ValueError):
        return None
    if not isinstance(names, list):
        return None
    return [name for name in names if isinstance(name, str) and not _is_folder(folder, name)]


def _is_folder(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_dir()
    except (OSError, ValueError):  # no path
        return True


def _matching(folder: Path, pattern: str) -> Iterator[str]:
    """Yields the entries of a folder that fit `pattern`, which may name one folder: `checkpoints/checkpoint-*`."""
    parent, _, name = pattern.rpartition("/")
    with contextlib.suppress(OSError):
        for entry in sorted((folder / parent).iterdir()):
            if fnmatch.fnmatchcase(entry.name, name):
                yield f"{parent}/{entry.name}" if parent else entry.name


def _lies_inside(folder: Path, name: PurePosixPath) -> bool:
    if name.is_absolute() or ".." in name.parts or not name.parts or "\0" in str(name):
        return False
    return (folder / name).parent.resolve().is_relative_to(folder.resolve())


def _park_old_run(folder: Path) -> None:
    """Moves the old run's files into the folder of the new one, so that they can go in one step, and at the end.

    Parked rather than removed: where another process has gone on meanwhile, the place to park has another name, and no
    file of the new run can be taken for one of the old. The manifest goes last: without it other names would be looked
    for.
    """
    if (folder / READY / _PARKED / MANIFEST_FILE).exists():
        return
    for name in own_entries(folder):
        place = folder / READY / _PARKED
        with contextlib.suppress(FileNotFoundError):
            place.mkdir(exist_ok=True)
            for part in name.parts[:-1]:
                place /= part
                place.mkdir(exist_ok=True)
            os.replace(folder / name, place / name.name)
        _remove_empty((folder / name).parent, until=folder)


def _finish_moving(folder: Path) -> None:
    if not _is_own(folder / MOVING):
        return
    _move_into(folder / MOVING, folder)
    shutil.rmtree(folder / MOVING, ignore_errors=True)


def _move_into(source: Path, target: Path) -> None:
    """Moves everything in a folder to its place in another, and into folders that are there already."""
    try:
        entries = sorted(source.iterdir())
    except FileNotFoundError:
        return  # another process has finished
    for entry in entries:
        place = target / entry.name
        if entry.name == _PARKED:
            continue
        if _is_own(entry) and _is_own(place):
            _move_into(entry, place)
            continue
        # In this order: what another process has moved by now is no longer in `source`.
        if os.path.lexists(place) and os.path.lexists(entry):
            _set_aside(place)
        _rename(entry, place)


def _set_aside(path: Path) -> None:
    """Gives a file that ftkit did not write another name, where a file of the new run is to lie."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.kept-{number}")):
        number += 1
    _rename(path, aside)


def _rename(path: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, target)


def _remove_empty(path: Path, *, until: Path) -> None:
    while path != until:
        try:
            path.rmdir()
        except OSError:
            return
        path = path.parent
