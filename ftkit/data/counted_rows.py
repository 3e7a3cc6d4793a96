"""Rows of one sort, counted: messages name the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ftkit.data.problems import MAX_PLACES
from ftkit.types import Split


@dataclass
class Rows:
    """The number of rows of a sort, and the places of the first.

    Attributes:
        places: indices of the first rows among the examples, at most `MAX_PLACES`.
    """

    count: int = 0
    places: list[int] = field(default_factory=list)

    def add(self, place: int) -> None:
        """Counts a row."""
        self.count += 1
        if len(self.places) < MAX_PLACES:
            self.places.append(place)

    def first(self, split: Split) -> Any:
        """Returns the first of these rows as an example."""
        return split.examples[self.places[0]]

    def told(self) -> Iterator[tuple[int, int]]:
        """Yields the first places, each with the number of rows to count there: the last counts for all others."""
        for number, place in enumerate(self.places, 1):
            yield (1 if number < len(self.places) else self.count - number + 1), place

    @classmethod
    def joined(cls, parts: Iterable[Rows]) -> Rows:
        """Returns rows of several sorts as those of one."""
        parts = list(parts)
        places = sorted(place for part in parts for place in part.places)
        return cls(sum(part.count for part in parts), places[:MAX_PLACES])
