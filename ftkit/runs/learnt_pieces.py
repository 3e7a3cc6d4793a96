"""What a run's model will read of its first training examples, piece by piece, and what of that it learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ftkit.adapters.preprocessor import Piece
from ftkit.errors import NothingFits, UserError
from ftkit.runs.checked_run import CheckedRun
from ftkit.runs.training_data import row_names
from ftkit.types import Split


class ShownRow(NamedTuple):
    """A row of training data.

    Attributes:
        where: file and line of the examples that it holds.
    """

    where: str
    pieces: Sequence[Piece]


def learnt_pieces(run: CheckedRun, num_examples: int) -> Iterator[ShownRow]:
    """Yields the rows of the first examples of train, as they are trained on.

    Raises:
        UserError: the kind learns nothing of the pieces of what it reads.
    """
    train = run.splits["train"]
    first = Split(train.name, train.source, train.examples[:num_examples], train.fingerprint)
    preprocessor = run.make_task_adapter().preprocessor
    preprocessor.fit(train.examples)
    try:
        encoded = preprocessor.encode(first.examples, targets=True)
    except NothingFits:
        raise UserError(
            f"--show {num_examples}: of the first rows nothing fits into what the model reads. Show more, or raise "
            "data.max_length."
        ) from None
    names = row_names(first, encoded)(range(encoded.num_rows))
    for where, row in zip(names, encoded.rows.__getitems__(list(range(encoded.num_rows))), strict=True):
        pieces = preprocessor.pieces(row)
        if pieces is None:
            raise UserError(
                f"--show: {run.kind.name} from {run.spec.name} has no learnt tokens to print. Leave it out; what "
                "data.augment makes of rows is shown where it is set."
            )
        yield ShownRow(where, pieces)
