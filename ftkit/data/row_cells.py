"""The cells of one row by role: each is read strictly, and what could not be read is kept with the example."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ftkit.data.cells import WrongCell, name_or_number, text_of
from ftkit.data.columns import column, find, taken
from ftkit.data.problems import Problems
from ftkit.errors import name_list
from ftkit.types import CellError, Split

T = TypeVar("T")


class RowCells:
    """Reads the cells of one row.

    A cell that does not hold what its column is for becomes an error of the row instead of stopping at the first one,
    so that a user sees all of them at once.

    Example:
        cells = RowCells({"body": ["it", "broke"], "label": "late"}, {"text": "body", "label": "label"})
        cells.text("text")  # ""
        cells.errors        # (CellError("column 'body' holds a list: ['it', 'broke']", ...),)
    """

    def __init__(self, cells: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        """Takes a row.

        Args:
            cells: column -> cell.
            columns: role -> column.
        """
        self.cells, self.columns = cells, columns
        self._errors: list[CellError] = []

    @property
    def errors(self) -> tuple[CellError, ...]:
        """What could not be read so far."""
        return tuple(self._errors)

    def get(self, role: str) -> Any:
        """Returns the cell of a role as it is; None where the row has none."""
        return self.cells.get(self.columns[role]) if role in self.columns else None

    def read(self, role: str, reader: Callable[[Any], T], otherwise: T) -> T:
        """Returns what a function makes of a role's cell, or `otherwise` where it raises WrongCell."""
        try:
            return reader(self.get(role))
        except WrongCell as wrong:
            self.refuse([self.columns[role]], wrong)
            return otherwise

    def refuse(self, columns: Sequence[str], wrong: WrongCell) -> None:
        """Adds the error of one or more columns, unless it names its own."""
        columns = columns if wrong.column is None else [wrong.column]
        named = f"column{'s' if len(columns) > 1 else ''} {name_list(columns, limit=4)}"
        self._errors.append(CellError(f"{named} {wrong}", wrong.remedy, f"{named} {wrong.what}"))

    def text(self, role: str) -> str:
        """Returns the text of a role; an empty one where it is missing or no text."""
        cell = self.get(role)
        return cell if type(cell) is str else self.read(role, text_of, "")

    def id(self, otherwise: str | int) -> str | int:
        """Returns the row's own id, or `otherwise` where it has none."""
        found = self.read("id", name_or_number, None) if "id" in self.columns else None
        return otherwise if found is None else found

    def group(self, *, file: str | None = None, folder: Path | None = None) -> str | None:
        """Returns what the row is grouped by, as text; None where no column says it or its cell is empty.

        Args:
            file: a role whose cells are paths. Grouped by its column, `0.png` of two folders are two groups.
            folder: where its relative paths begin.
        """
        found = self.read("group", name_or_number, None) if "group" in self.columns else None
        if found is None or found == "":
            return None
        if file is not None and self.columns.get(file) == self.columns["group"]:
            return os.path.normpath(os.path.join(folder or "", str(found)))
        return str(found)


HUGE = 1_000_000  # characters


def check_sizes(split: Split, problems: Problems) -> None:
    """Tells of texts so long that they take seconds and gigabytes; most of them come of a quote that is not closed."""
    for example in split.examples:
        if example.size > HUGE:
            problems.warn(
                f"{split.name}: texts of more than {HUGE:,} characters, such as one of {example.size:,}: each million "
                "can take a second and 0.2 GB to read, in each pass over the data",
                where=split.where(example),
                remedy="split them, or, in a csv file, look for a quote that is not closed",
                kind=f"{split.name}: huge texts",
            )


def check_cells(split: Split, problems: Problems) -> Split:
    """Reports the rows of which a cell could not be read, and returns the split without them."""
    bad = 0
    for example in find(split.examples, "cell_errors", bool):
        bad += 1
        for error in example.cell_errors:
            problems.error(
                f"{split.name}: {error.message}",
                where=split.where(example),
                remedy=error.remedy,
                kind=f"{split.name}: {error.kind}",
            )
    if not bad:
        return split
    import numpy as np

    is_readable = np.fromiter((not errors for errors in column(split.examples, "cell_errors")), bool, len(split))
    return dataclasses.replace(split, examples=taken(split.examples, np.flatnonzero(is_readable)))
