"""The names that each row has, as numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class RowNames:
    """Distinct names of each row, such as its labels, numbered in the order in which they first appear.

    Example: rows with the names (a), (b, a) and () hold the numbers [0], [1, 0] and [].
    """

    def __init__(self, rows: Iterable[Iterable[str]]) -> None:
        """Goes through the names of all rows; of each row it keeps a few bytes."""
        import numpy as np  # here and not above: checking a config does without

        numbers: dict[str, int] = {}
        found, ends = array("i"), array("q", [0])
        for names in rows:
            found.extend(numbers.setdefault(name, len(numbers)) for name in dict.fromkeys(names))
            ends.append(len(found))
        self._numbers, self._ends = np.asarray(found), np.asarray(ends)
        self._num_names = len(numbers)

    def __getitem__(self, row: int) -> np.ndarray:
        """Returns the numbers of a row's names."""
        return self._numbers[self._ends[row] : self._ends[row + 1]]

    def counts(self) -> np.ndarray:
        """Returns how many rows have each name."""
        import numpy as np

        return np.bincount(self._numbers, minlength=self._num_names)
