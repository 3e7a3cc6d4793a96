"""Images with what was predicted of them drawn into them, as files of a folder, for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ftkit.adapters.objective import Objective, Prediction
from ftkit.console import is_main_process
from ftkit.errors import UserError
from ftkit.kinds.kind import Kind
from ftkit.paths import check_can_make, user_path


class Drawings:
    """Writes a picture for each image that is predicted, called as the image; only the main process writes.

    Attributes:
        num_drawn: pictures that have been written.
    """

    def __init__(self, folder: str | Path, kind: Kind, objective: Objective) -> None:
        """Takes a folder that is not there yet, or is empty.

        Raises:
            UserError: it is another, or what is predicted cannot be drawn.
        """
        if not objective.draws:
            raise UserError(f"--draw: what {kind.name} predicts cannot be drawn into its input. Leave it out.")
        self._folder, self._objective = user_path(folder, "--draw"), objective
        if self._folder.exists() and (not self._folder.is_dir() or any(self._folder.iterdir())):
            raise UserError(f"--draw: {folder} is there already, and is no empty folder. Remove it, or name another.")
        check_can_make(self._folder, "--draw")
        self._names: set[str] = set()
        self.num_drawn = 0

    def add(self, examples: Sequence[Any], predictions: Sequence[Prediction]) -> None:
        """Draws predictions into their images."""
        if not is_main_process():
            return
        for example, prediction in zip(examples, predictions, strict=True):
            path = self._folder / self._free_name(example.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._objective.drawn(example, prediction).save(path)
            self.num_drawn += 1

    def _free_name(self, name: str) -> str:
        """Returns what a picture is called: as the image, below the folder, and a PNG; `1.png`, then `1_2.png`."""
        path = PurePosixPath(name.replace("\\", "/"))
        inside = path if not path.is_absolute() and ".." not in path.parts else PurePosixPath(path.name)
        found = plain = inside.with_suffix(".png")
        number = 1
        while found.as_posix() in self._names:
            number += 1
            found = plain.with_stem(f"{plain.stem}_{number}")
        self._names.add(found.as_posix())
        return found.as_posix()
