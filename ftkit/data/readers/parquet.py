"""Reads parquet by batches; class labels that `datasets` wrote as integers become their names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.data.readers.class_labels import class_label_decoders, decoded
from ftkit.data.readers.table import ReadOptions, RowStream, Table, first_row
from ftkit.errors import DataError
from ftkit.types import Row

if TYPE_CHECKING:
    import pyarrow.parquet

# Enough rows to make the cost of a call small, few enough that long texts fit in memory.
_BATCH_ROWS = 1024


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a parquet file; `Row.line` is the 1-based row number, and values keep their types.

    Raises:
        DataError: not a parquet file, a damaged one, or no rows.
    """
    with _opened(path) as file:
        columns = tuple(file.schema_arrow.names)
    table = Table(str(path), columns, RowStream(lambda: _rows(path)))
    first_row(table.source, table.rows)
    return table


def _rows(path: Path) -> Iterator[Row]:
    with _opened(path) as file:
        decoders = class_label_decoders(_features(file.schema_arrow.metadata))
        number = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield Row(decoded(values, decoders) if decoders else values, number)


@contextmanager
def _opened(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Yields the open file; what pyarrow raises while it is read becomes a DataError."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as parquet: {reason}\n"
            "Fix: the file is damaged, cut short or not parquet; copy or write it again."
        ) from None


def _features(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """Returns the features that `datasets` leaves in the schema; empty if another program wrote the file."""
    written = (metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    return json.loads(written).get("info", {}).get("features") or {}
