"""Examples as rows, and rows as batches of tensors: what preprocessors make and objectives read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]
Arrays = dict[str, np.ndarray]

REFERENCE = "reference"
"""The column of rows that says what the model measured of them before it was trained; see `Objective.remembers`."""


class Packs(NamedTuple):
    """Rows that hold several examples each.

    Attributes:
        examples: indices of the examples in each row, (R,) of sequences.
        num_examples: N, the number of all examples; some may have no row.
    """

    examples: Sequence[Sequence[int]]
    num_examples: int


SOURCE = "source"
"""The column of training rows that says what they are changed from; see `Source`."""


class Source(NamedTuple):
    """What a training row was made from, and may be made from anew, changed.

    Attributes:
        example: the example that the row was made from.
        place: the row's place among the rows of the example, from 0.
        most: the most positions that the row may take.
    """

    example: Any
    place: int
    most: int


class LazyRows:
    """Rows that are made when a batch asks for them: they name files, so that a million of them fit into memory."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> dict[str, Any]:
        raise NotImplementedError

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Returns several rows; PyTorch's loader asks for a batch at once."""
        return [self[index] for index in indices]


@dataclass(frozen=True)
class Encoded:
    """Examples as rows, in their order.

    Attributes:
        rows: a datasets.Dataset, or any sequence whose `__getitems__` returns rows as dicts, decoded when asked for.
        costs: positions that each row takes in the body, such as tokens, patches or frames, (R,).
        first_rows: where an example may take several rows (a long document read in windows), the first row of
            each example and, last, the number of rows: (N + 1,). None: one row each.
        cut: what was cut off -> the number of examples that lost some of it; see `Preprocessor.cut_meanings`.
        packs: where rows hold several examples each, which; only to be trained on.
        counts: what is counted of all examples, by name, such as tokens; see `Preprocessor.counted`.
        sources: the examples, where training makes its rows from them anew; see `Preprocessor.to_train`.
    """

    rows: Any
    costs: np.ndarray
    first_rows: np.ndarray | None = None
    cut: Mapping[str, int] = field(default_factory=dict)
    packs: Packs | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[Any] | None = None

    def __len__(self) -> int:
        """Number of examples."""
        if self.packs is not None:
            return self.packs.num_examples
        return len(self.costs) if self.first_rows is None else len(self.first_rows) - 1

    def examples_of(self, row: int) -> Sequence[int]:
        """Returns the indices of the examples that a row holds something of."""
        if self.packs is not None:
            return self.packs.examples[row]
        if self.first_rows is None:
            return [row]
        return [int(np.searchsorted(self.first_rows, row, side="right")) - 1]

    def rows_to_train(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Returns some of the rows, with what they are changed from, where training changes them."""
        found: list[dict[str, Any]] = self.rows.__getitems__(list(rows))
        if self.sources is None:
            return found
        return [{**one, SOURCE: self._source(row)} for row, one in zip(rows, found, strict=True)]

    def _source(self, row: int) -> Source:
        assert self.sources is not None
        (example,) = self.examples_of(row)
        first = row if self.first_rows is None else int(self.first_rows[example])
        return Source(self.sources[example], row - first, int(self.costs[row]))

    @property
    def num_rows(self) -> int:
        """R, the number of rows."""
        return len(self.costs)

    def rows_of(self, start: int, stop: int) -> np.ndarray:
        """Returns the indices of the rows that belong to examples `start` to `stop`."""
        if self.first_rows is None:
            return np.arange(start, stop)
        return np.arange(self.first_rows[start], self.first_rows[stop])


@dataclass(frozen=True)
class EncodedToScore:
    """Labelled examples as rows to predict, and as rows that bear the loss.

    Attributes:
        inputs: what is predicted from.
        targets: rows whose loss is computed by itself, where nothing of the targets may be seen in prediction; None
            where `inputs` bear the labels.
        chosen: which examples are predicted, where a model is judged by the loss of all and some predictions are only
            to be read; None: all.
    """

    inputs: Encoded
    targets: Encoded | None = None
    chosen: Sequence[int] | None = None

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.told)

    @property
    def told(self) -> Encoded:
        """The rows of all examples, of which results say how many there are and what was cut."""
        return self.inputs if self.chosen is None or self.targets is None else self.targets


@dataclass
class Batch:
    """Rows as tensors.

    Attributes:
        inputs: exactly what `model(**inputs)` takes, rows on the first axis.
        labels: what the loss compares with: (B,), (B, L), (B, T), or whatever the objective understands.
        lengths: real positions of each row of `inputs`, on the host, padding being on their right; None where there
            is nothing to pad or to leave out.
        extras: what the objective reads beside the model's outputs, such as the positions of words.
        row_indices: which training rows these are; None in evaluation and prediction.
        epoch: the epoch in which the rows are trained on, from 0; None in evaluation and prediction.
        num_positions: positions that the rows take in the body, padding included.
        row_counts: where a row of the data takes several rows of `inputs`, such as the candidates of a query, how many
            each of the B takes, (B,); labels and extras have B rows all the same. None: one each.
        pieces: names of inputs whose first axis holds the pieces of all rows one after another, such as patches of
            images -> how many each row has, (B,).
    """

    inputs: Tensors
    labels: Any = None
    lengths: Sequence[int] | None = None
    extras: Tensors = field(default_factory=dict)
    row_indices: np.ndarray | None = None
    epoch: int | None = None
    num_positions: int = 0
    row_counts: Sequence[int] | None = None
    pieces: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        """B, the number of rows."""
        return len(next(iter(self.inputs.values()))) if self.row_counts is None else len(self.row_counts)

    def to(self, device: Any, non_blocking: bool = False, **kwargs: Any) -> Batch:
        """Returns the batch on a device; Accelerate and evaluation call it."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Returns the batch in page-locked memory; PyTorch's loader calls it."""
        return self._each(lambda tensor: tensor.pin_memory())

    def take(self, rows: np.ndarray) -> Batch:
        """Returns some rows of the batch, as wide as they are in it.

        Args:
            rows: their indices in the batch.
        """
        chosen = rows.tolist()
        of_inputs = _places(self.row_counts, chosen)
        return dataclasses.replace(
            self,
            inputs={
                name: _taken(part, _places(self.pieces[name], chosen) if name in self.pieces else of_inputs)
                for name, part in self.inputs.items()
            },
            extras={name: tensor[chosen] for name, tensor in self.extras.items()},
            labels=_taken(self.labels, chosen),
            lengths=None if self.lengths is None else [self.lengths[row] for row in of_inputs],
            row_indices=None if self.row_indices is None else self.row_indices[rows],
            num_positions=self.num_positions * len(of_inputs) // len(next(iter(self.inputs.values()))),
            row_counts=None if self.row_counts is None else [self.row_counts[row] for row in chosen],
            pieces={name: [counts[row] for row in chosen] for name, counts in self.pieces.items()},
        )

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        inputs, extras, labels = (_changed(part, change) for part in (self.inputs, self.extras, self.labels))
        return dataclasses.replace(self, inputs=inputs, extras=extras, labels=labels)


def _places(counts: Sequence[int] | None, chosen: list[int]) -> list[int]:
    """Returns where the chosen rows stand, where each has so many places; None: one."""
    if counts is None:
        return chosen
    starts = np.cumsum([0, *counts]).tolist()
    return [place for row in chosen for place in range(starts[row], starts[row + 1])]


def _taken(value: Any, rows: list[int]) -> Any:
    """Returns some rows of tensors, or of a list with an item for each row, such as the targets of detection."""
    return [value[row] for row in rows] if isinstance(value, (list, tuple)) else _changed(value, lambda one: one[rows])


def _changed(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Changes the tensors of a batch, also those in lists of dicts, as the targets of detection are."""
    if isinstance(value, Mapping):
        return {name: _changed(part, change) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_changed(part, change) for part in value]
    return change(value) if hasattr(value, "to") else value
