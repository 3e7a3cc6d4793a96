"""Rows of train as they are, and as `data.augment` changes them in the first epochs: for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ftkit.adapters.encoding import encode_to_train
from ftkit.adapters.preprocessor import Preprocessor, Shown
from ftkit.adapters.rows import Encoded
from ftkit.engine.training_rows import row_generator
from ftkit.errors import DataError
from ftkit.runs.checked_run import CheckedRun
from ftkit.types import Split

NUM_ROWS, NUM_EPOCHS = 6, 3


class AugmentedRow(NamedTuple):
    """A row of train.

    Attributes:
        name: its example's, or the id where the example is a text.
        plain: as it is.
        changed: as the first epochs see it, in their order.
    """

    name: str
    plain: Shown
    changed: Sequence[Shown]


def augmented_rows(
    preprocessor: Preprocessor, train: Split, encoded: Encoded, *, seed: int, count: int = NUM_ROWS
) -> list[AugmentedRow]:
    """Returns rows from all over train, as they are and as they are trained on; none where nothing is changed.

    Args:
        encoded: all rows of train.
        seed: of the training.
        count: rows at most.
    """
    if not preprocessor.augments or not encoded.num_rows:
        return []
    rows = np.unique(np.linspace(0, encoded.num_rows - 1, min(count, encoded.num_rows)).astype(int))
    found = (_augmented_row(preprocessor, train, encoded, int(row), seed) for row in rows)
    return [row for row in found if row is not None]


def _augmented_row(
    preprocessor: Preprocessor, train: Split, encoded: Encoded, row: int, seed: int
) -> AugmentedRow | None:
    (number,) = encoded.examples_of(row)
    example = train.examples[number]
    rngs = [row_generator(seed, epoch, row) for epoch in range(NUM_EPOCHS)]
    try:
        plain, *changed = (preprocessor.shown(example, rng) for rng in (None, *rngs))
    except DataError:  # a file that has gone since it was trained on
        return None
    name = str(example.id) if isinstance(plain, str) else example.summary()
    return AugmentedRow(name, plain, changed)


def first_augmented_rows(run: CheckedRun, count: int) -> list[AugmentedRow]:
    """Returns rows of train as a run will change them; none where it changes nothing.

    Raises:
        UserError: a training argument is wrong.
    """
    train, preprocessor = run.splits["train"], run.make_task_adapter().preprocessor
    if not preprocessor.augments:
        return []
    preprocessor.fit(train.examples)
    encoded = encode_to_train(preprocessor, train.examples)
    seed = run.config.train.chosen_data_seed
    return augmented_rows(preprocessor, train, encoded, seed=seed, count=count)
