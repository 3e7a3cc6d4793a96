"""Predictions that are files, such as masks: in Python a value, beside rows on disk a file of its own."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.errors import UserError

FOLDER_ENDING = "_files"


@dataclass(frozen=True)
class PredictedFile:
    """A part of a prediction that is too large for a row, and has a file format of its own.

    Attributes:
        name: of the file, below the folder that holds those of all rows.
        value: makes what Python gets.
        content: makes the bytes of the file.
    """

    name: str
    value: Callable[[], Any]
    content: Callable[[], bytes]


def folder_beside(path: Path) -> Path:
    """Returns where the files of a file of rows lie: `masks.jsonl` -> `masks_files`."""
    return path.with_name(path.stem + FOLDER_ENDING)


def with_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a prediction with values in the place of files, as Python gets it."""
    return {name: cell.value() if isinstance(cell, PredictedFile) else cell for name, cell in row.items()}


def without_files(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a prediction without its files."""
    return {name: cell for name, cell in row.items() if not isinstance(cell, PredictedFile)}


class FilesBeside:
    """Writes the files of rows into a folder beside the rows' own file; it appears, whole, when the block ends.

    Two rows with files of one name and other bytes get `1.png` and `1_2.png`.
    """

    def __init__(self, path: Path | None) -> None:
        """Writes nothing yet.

        Args:
            path: of the rows; None: they go where no file can lie beside them, and are written without.
        """
        self._has_place = path is not None
        self._folder = folder_beside(path or Path("rows"))
        self._work = self._folder.with_name(f".{self._folder.name}.{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> FilesBeside:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if not self._work.exists():
            return
        if kind is None:
            os.replace(self._work, self._folder)
        else:
            shutil.rmtree(self._work, ignore_errors=True)

    def written(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a row with the paths of its files in their place, from where the rows' own file lies."""
        if not self._has_place:
            return without_files(row)
        return {
            name: f"{self._folder.name}/{self._write(cell)}" if isinstance(cell, PredictedFile) else cell
            for name, cell in row.items()
        }

    def _write(self, file: PredictedFile) -> str:
        """Writes a file and returns its name.

        Raises:
            UserError: the folder is there already; what it holds may be somebody's own.
        """
        if self._folder.exists() and not self._work.exists():
            if any(self._folder.iterdir()):
                raise UserError(
                    f"{self._folder} is there already, and the files that belong to the rows go there. Remove it, or "
                    "name another output; nothing was written."
                )
            self._folder.rmdir()
        content, path = file.content(), self._work / file.name
        number = 1
        while path.exists() and path.read_bytes() != content:
            number += 1
            path = (self._work / file.name).with_stem(f"{Path(file.name).stem}_{number}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path.relative_to(self._work).as_posix()
