"""Which outputs of a saved head are the labels of a run: they are found by name. Plain Python, no torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.errors import name_list
from ftkit.types import LabelSpace

_PLACEHOLDER = re.compile(r"LABEL_\d+")
_SHOWN_NAMES = 5


@dataclass(frozen=True)
class SavedHead:
    """What a saved config says of a head.

    Attributes:
        names: of its outputs, in order.
        is_regression: its one output is a number.
    """

    names: tuple[str, ...]
    is_regression: bool

    @property
    def has_placeholders(self) -> bool:
        """Whether the names are transformers' own: LABEL_0, LABEL_1 ..."""
        return all(_PLACEHOLDER.fullmatch(name) for name in self.names)


def saved_head(id2label: Mapping[Any, Any], problem_type: str | None, *, num_outputs: int | None = None) -> SavedHead:
    """Returns the head that a saved config describes, whether or not its weights hold one.

    Args:
        id2label: position of an output -> its name.
        problem_type: as the config says it; without a word, one output is a number.
        num_outputs: of the weights, where they are known; names of another number of outputs are not theirs.
    """
    names = tuple(str(id2label[index]) for index in sorted(id2label, key=int))
    if num_outputs is not None and num_outputs != len(names):
        names = tuple(f"LABEL_{index}" for index in range(num_outputs))
    is_regression = len(names) == 1 if problem_type is None else problem_type == "regression"
    return SavedHead(names, is_regression)


@dataclass(frozen=True)
class RowMatch:
    """Which rows of a saved head serve the labels of a run.

    Attributes:
        labels: of the run, in output order.
        head: the saved one.
        rows: for each label the row of the saved head; None where there is none, so that its row is new.
    """

    labels: LabelSpace
    head: SavedHead
    rows: tuple[int | None, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the saved head serves as it is."""
        return self.rows == tuple(range(len(self.head.names)))

    @property
    def knows_some(self) -> bool:
        """Whether the saved head knows one label at least."""
        return any(row is not None for row in self.rows)

    def told(self, whose: str) -> str:
        """Returns one line about what becomes of the head.

        Args:
            whose: where the head was saved, such as `the checkpoint`.
        """
        known = [name for name, row in zip(self.labels.names, self.rows, strict=True) if row is not None]
        new = [name for name, row in zip(self.labels.names, self.rows, strict=True) if row is None]
        if self.is_identity:
            return f"head: {whose} predicts the same labels; its head is kept as it is"
        if not known:
            return f"head: {self._why_none(whose)}; the output layer is new"
        moved = f"head: {whose} knows {len(known)} of {len(self.rows)} labels by name, whose rows are kept"
        started = f"; new: {_listed(new)}" if new else ""
        left = [name for row, name in enumerate(self.head.names) if row not in self.rows]
        return moved + started + (f"; left out: {_listed(left)}" if left else "")

    def _why_none(self, whose: str) -> str:
        if self.head.has_placeholders and not self.head.is_regression:
            return (
                f"{whose} calls its outputs {_listed(self.head.names)}, which does not say what they mean (names in "
                "id2label of its config.json would)"
            )
        return f"{whose} predicts other labels ({_listed(self.head.names)})"


def _listed(names: Sequence[str]) -> str:
    return name_list(names, limit=_SHOWN_NAMES)


def match_rows(labels: LabelSpace, head: SavedHead) -> RowMatch:
    """Finds the row of every label, by name.

    A name is the same if it is spelled the same, or, where that leaves no doubt, but for its case: MNLI's checkpoints
    say ENTAILMENT. The placeholders LABEL_0, LABEL_1 ... say nothing, except where the labels are the numbers 0, 1 ...
    that transformers makes them of. A number is predicted by the one row of any head that predicts a number.

    Example: labels (contradiction, neutral, other) and a head (ENTAILMENT, NEUTRAL, CONTRADICTION): rows (2, 1, None).
    """
    if labels.problem_type == "regression" or head.is_regression:
        both = labels.problem_type == "regression" and head.is_regression
        return RowMatch(labels, head, (0,) if both else (None,) * len(labels))
    names = head.names
    if head.has_placeholders and sorted(labels.names) == sorted(str(index) for index in range(len(names))):
        names = tuple(name.removeprefix("LABEL_") for name in names)
    exact, folded = _once(names), _once(name.casefold() for name in names)
    counts = Counter(name.casefold() for name in labels.names)
    rows = [
        exact.get(name, folded.get(name.casefold()) if counts[name.casefold()] == 1 else None) for name in labels.names
    ]
    return RowMatch(labels, head, tuple(rows))


def _once(names: Iterable[str]) -> dict[str, int]:
    """Returns name -> position, of the names that stand there once."""
    listed = list(names)
    counts = Counter(listed)
    return {name: index for index, name in enumerate(listed) if counts[name] == 1}
