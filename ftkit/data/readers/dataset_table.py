"""Rows of a `datasets.Dataset`, wherever it was loaded from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ftkit.data.readers.class_labels import class_label_decoders, decoded
from ftkit.data.readers.table import RowStream, Table, first_row
from ftkit.types import Row

if TYPE_CHECKING:
    import datasets

_BATCH_ROWS = 1024


def table_of(dataset: datasets.Dataset | datasets.IterableDataset, source: str) -> Table:
    """Returns a dataset as a table; `Row.line` is the 1-based row number.

    Class labels become their names, and -1 (a test split that hides its labels) becomes None. Images and sounds stay
    as they are stored, `{"bytes": ..., "path": ...}`.

    Args:
        dataset: what was loaded, or what is read while it is used.
        source: the name that messages show.

    Raises:
        DataError: it has no rows.
    """
    dataset = _undecoded(dataset)
    decoders = class_label_decoders({} if dataset.features is None else dataset.features.to_dict())

    def rows() -> Iterator[Row]:
        number = 0
        for batch in dataset.iter(batch_size=_BATCH_ROWS):
            for cells in zip(*batch.values(), strict=True):
                number += 1
                yield Row(decoded(dict(zip(batch, cells, strict=True)), decoders), number)

    first = first_row(source, RowStream(rows))
    return Table(source, tuple(dataset.column_names or first.values), RowStream(rows))


def _undecoded(dataset: datasets.Dataset | datasets.IterableDataset) -> Any:
    """Returns the dataset with the files of images and sounds, which are decoded one by one when they are needed."""
    import datasets

    for name, feature in (dataset.features or {}).items():
        if isinstance(feature, (datasets.Image, datasets.Audio)) and feature.decode:
            dataset = dataset.cast_column(name, dataclasses.replace(feature, decode=False))
    return dataset
