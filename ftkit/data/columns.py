"""Examples column by column, whether they are objects in a list or lie on disk; the others need not be made."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_CHUNK = 100_000


def column(examples: Sequence[Any], name: str) -> Iterator[Any]:
    """Yields an attribute of each example; None of those that have none."""
    if hasattr(examples, "column"):
        return examples.column(name)
    return (getattr(example, name, None) for example in examples)


def find(examples: Sequence[Any], name: str, test: Callable[[Any], bool]) -> Iterator[Any]:
    """Yields the examples of which an attribute passes a test."""
    if hasattr(examples, "find"):
        return examples.find(name, test)
    return (example for example in examples if test(getattr(example, name, None)))


def at(examples: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """Returns the examples at some places."""
    return examples.at(places) if hasattr(examples, "at") else [examples[place] for place in places]


def taken(examples: Sequence[Any], places: np.ndarray) -> Sequence[Any]:
    """Returns the sequence of the examples at some places, ascending."""
    return examples.take(places) if hasattr(examples, "take") else [examples[place] for place in places.tolist()]


def collected(examples: Sequence[Any], items: Iterable[Any]) -> Sequence[Any]:
    """Returns examples that were made of others, in a list, or on disk where the others lie there too."""
    return examples.collected(items) if hasattr(examples, "collected") else list(items)


def key_hashes(examples: Sequence[Any]) -> Iterator[np.ndarray]:
    """Yields 64 bits for each example that those share which have equal keys, (N,) uint64, chunk by chunk."""
    if hasattr(examples, "key_hashes"):
        yield from examples.key_hashes()
        return
    import numpy as np

    from ftkit.data.hashes import hash_of

    for start in range(0, len(examples), _CHUNK):
        chunk = examples[start : start + _CHUNK]
        yield np.fromiter((hash_of(example.key()) for example in chunk), np.uint64, len(chunk))


def shared_places(examples: Sequence[Any], others: Sequence[Any]) -> np.ndarray:
    """Returns the places of examples whose keys some of the others have too, ascending."""
    import numpy as np

    own = np.concatenate([np.empty(0, np.uint64), *key_hashes(examples)])
    distinct = np.unique(own)
    found = [chunk[_is_in(chunk, distinct)] for chunk in key_hashes(others)]
    return np.flatnonzero(_is_in(own, np.unique(np.concatenate([np.empty(0, np.uint64), *found]))))


def contradicting_places(examples: Sequence[Any], name: str) -> np.ndarray:
    """Returns, of each key that examples with different attributes share, the first place that differs from its first.

    Example: the keys a, b, a, a with the labels 1, 1, 2, 3: the third place, 2.
    """
    import numpy as np

    from ftkit.data.hashes import hash_of

    keys = np.concatenate([np.empty(0, np.uint64), *key_hashes(examples)])
    ordered = np.sort(keys)
    several = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    places = np.flatnonzero(_is_in(keys, several))
    if not len(places):
        return places
    values = itertools.compress(column(examples, name), _is_in(keys, several).tolist())
    hashes = np.fromiter(map(hash_of, values), np.uint64, len(places))
    order = np.argsort(keys[places], kind="stable")
    begins = np.flatnonzero(np.diff(keys[places][order], prepend=~keys[places][order][:1]))
    firsts = np.repeat(hashes[order][begins], np.diff([*begins, len(order)]))
    groups = np.repeat(np.arange(len(begins)), np.diff([*begins, len(order)]))
    differing = np.flatnonzero(hashes[order] != firsts)
    _, first_of_group = np.unique(groups[differing], return_index=True)
    return np.sort(places[order][differing[first_of_group]])


def _is_in(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tells which values are among those that are known, sorted; without sorting the values."""
    import numpy as np

    if not len(known):
        return np.zeros(len(values), bool)
    places = np.searchsorted(known, values)
    places[places == len(known)] = 0
    return known[places] == values
